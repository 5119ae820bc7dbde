//! Changes to Elastic IP addresses, made by calls and tests.

use crate::simulator::account::{Account, Edit, UnknownId};
use crate::simulator::address::{Association, Elastic};
use crate::simulator::ident::Kind;
use crate::simulator::tags::Tags;

impl Edit<'_> {
    /// Allocates an address.
    pub(crate) fn allocate(&mut self, tags: Tags) -> Elastic {
        let now = self.now();
        let number = self.tables().elastics.next();
        let ip = Elastic::allocated(number);
        let elastic = Elastic { number, ip, association: None, released: false, tags: Tags::default() };
        self.tables().elastics.make(now, elastic.clone());
        self.tag_new(Kind::Allocation, number, tags);
        elastic
    }

    /// Associates an address with an interface and ends the earlier associations of both. Returns the association's
    /// number.
    pub(crate) fn associate(&mut self, mut elastic: Elastic, interface: u64) -> u64 {
        let now = self.now();
        if let Some(other) = self.scene().elastic_of(interface, now).filter(|other| other.number != elastic.number) {
            self.disassociate(other);
        }
        let number = self.tables().associate();
        elastic.association = Some(Association { number, interface });
        self.put_elastic(elastic);
        number
    }

    /// Disassociates an address from its interface.
    pub(crate) fn disassociate(&mut self, mut elastic: Elastic) {
        elastic.association = None;
        self.put_elastic(elastic);
    }

    /// Releases an address.
    pub(crate) fn release(&mut self, mut elastic: Elastic) {
        elastic.released = true;
        elastic.association = None;
        self.put_elastic(elastic);
    }

    fn put_elastic(&mut self, next: Elastic) {
        let (number, now) = (next.number, self.now());
        let formula = self.scene().formula_elastic(number).unwrap_or_else(|| next.clone());
        for known in [&formula, &next] {
            if let Some(association) = known.association {
                self.tables().bound.entry(association.interface).or_default().insert(number);
            }
        }
        self.tables().elastics.change(number, now, || formula, next);
    }
}

impl Account {
    /// Allocates an Elastic IP address. Returns its allocation id.
    pub fn allocate_address(&self) -> String {
        let number = self.edit().allocate(Tags::default()).number;
        self.plan().idents.text(Kind::Allocation, number)
    }

    /// Associates an address with an instance's interface, whatever either was associated with before.
    ///
    /// # Errors
    /// When there is no such address or instance.
    pub fn associate_address(&self, allocation: &str, instance: &str) -> Result<(), UnknownId> {
        let number = self.instance(instance)?;
        let (mut edit, elastic) = self.elastic(allocation)?;
        edit.associate(elastic, number);
        Ok(())
    }

    /// Disassociates an address, if it is associated.
    ///
    /// # Errors
    /// When there is no such address.
    pub fn disassociate_address(&self, allocation: &str) -> Result<(), UnknownId> {
        let (mut edit, elastic) = self.elastic(allocation)?;
        edit.disassociate(elastic);
        Ok(())
    }

    /// Releases an address, even if it is associated.
    ///
    /// # Errors
    /// When there is no such address.
    pub fn release_address(&self, allocation: &str) -> Result<(), UnknownId> {
        let (mut edit, elastic) = self.elastic(allocation)?;
        edit.release(elastic);
        Ok(())
    }

    fn elastic(&self, id: &str) -> Result<(Edit<'_>, Elastic), UnknownId> {
        let unknown = || UnknownId::new(id);
        let number = self.plan().idents.number(Kind::Allocation, id).ok().flatten().ok_or_else(unknown)?;
        let edit = self.edit();
        let elastic = edit.scene().elastic(number, edit.now()).ok_or_else(unknown)?;
        Ok((edit, elastic))
    }
}
