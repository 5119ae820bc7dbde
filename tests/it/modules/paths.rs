//! The paths in the code of a crate: which files use which, and which crates each names.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::tree::{Scope, Target, Tree, for_tests, leaves, line};

/// What the files of a crate name.
#[derive(Default)]
pub(crate) struct Paths {
    pub(crate) edges: Vec<Edge>,
    /// By file: the top-level modules that it names from the root.
    pub(crate) tops: Vec<(usize, String)>,
    /// By file: the crates that it names, and other first segments that mean nothing in this one.
    pub(crate) outside: Vec<(usize, String)>,
}

/// A file uses something that another one defines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) line: usize,
    /// The path as written.
    pub(crate) path: String,
}

/// Finds the paths in all the code of a tree.
pub(crate) fn paths(tree: &Tree) -> Paths {
    let mut reader =
        Reader { tree, file: 0, module: 0, blocks: Vec::new(), in_attribute: false, found: Paths::default() };
    for (file, syntax) in tree.syntax.iter().enumerate() {
        reader.file = file;
        reader.module = tree.module_of(file);
        reader.visit_file(syntax);
    }
    reader.found.edges.sort();
    reader.found.edges.dedup();
    reader.found
}

struct Reader<'a> {
    tree: &'a Tree,
    file: usize,
    module: usize,
    blocks: Vec<Scope>,
    in_attribute: bool,
    found: Paths,
}

impl Reader<'_> {
    fn path(&mut self, path: &[String], line: usize) {
        let mut outside = false;
        for target in self.tree.resolve(self.module, &self.blocks, path) {
            match target {
                Target::Item(file) if file != self.file => {
                    self.found.edges.push(Edge { from: self.file, to: file, line, path: path.join("::") });
                }
                Target::Outside => outside = true,
                _ => {}
            }
        }
        if outside && let Some(first) = path.first() {
            self.found.outside.push((self.file, first.clone()));
        }
        if let Some(top) = self.tree.named_top(self.module, path) {
            self.found.tops.push((self.file, top));
        }
    }

    /// Finds what looks like paths in tokens that nobody has parsed: those of macros and attributes.
    fn tokens(&mut self, tokens: TokenStream, prefix: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is = |at: usize, c: char| matches!(tokens.get(at), Some(TokenTree::Punct(it)) if it.as_char() == c);
        let joined = |at: usize| is(at, ':') && is(at + 1, ':');
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let here = at;
            let before = |back: usize, c: char| here.checked_sub(back).is_some_and(|at| is(at, c));
            at += 1;
            match token {
                TokenTree::Group(group) => self.tokens(group.stream(), &[]),
                TokenTree::Literal(literal) if self.in_attribute => self.quoted(&literal.to_string(), literal.span()),
                TokenTree::Ident(first) => {
                    let is_member = before(1, '.') && !before(2, '.');
                    let is_variable = before(1, '$') && first != "crate";
                    if is_member || is_variable || before(1, '\'') {
                        continue;
                    }
                    let mut path = prefix.to_vec();
                    path.push(first.to_string());
                    while joined(at) {
                        match tokens.get(at + 2) {
                            Some(TokenTree::Ident(next)) => path.push(next.to_string()),
                            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                                self.tokens(group.stream(), &path);
                            }
                            _ => break,
                        }
                        at += 3;
                    }
                    self.path(&path, line(first));
                }
                _ => {}
            }
        }
    }

    /// Reads a path out of a string, as in `#[serde(with = "crate::written")]`.
    fn quoted(&mut self, literal: &str, at: proc_macro2::Span) {
        let text = literal.trim_matches('"');
        if let Ok(path) = syn::parse_str::<syn::Path>(text) {
            self.path(&segments(&path), at.start().line);
        }
    }
}

fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// Passes over what only tests compile.
macro_rules! without_tests {
    ($($visit:ident: $node:ident,)*) => {$(
        fn $visit(&mut self, node: &'a syn::$node) {
            if !for_tests(&node.attrs) {
                visit::$visit(self, node);
            }
        }
    )*};
}

impl<'a> Visit<'a> for Reader<'_> {
    without_tests! {
        visit_arm: Arm,
        visit_expr_block: ExprBlock,
        visit_field: Field,
        visit_field_value: FieldValue,
        visit_impl_item_const: ImplItemConst,
        visit_impl_item_fn: ImplItemFn,
        visit_item_const: ItemConst,
        visit_item_enum: ItemEnum,
        visit_item_fn: ItemFn,
        visit_item_impl: ItemImpl,
        visit_item_macro: ItemMacro,
        visit_item_static: ItemStatic,
        visit_item_struct: ItemStruct,
        visit_item_trait: ItemTrait,
        visit_item_type: ItemType,
        visit_local: Local,
        visit_trait_item_const: TraitItemConst,
        visit_trait_item_fn: TraitItemFn,
        visit_variant: Variant,
    }

    fn visit_item_mod(&mut self, node: &'a syn::ItemMod) {
        if for_tests(&node.attrs) || node.content.is_none() {
            return;
        }
        let Some(inline) = self.tree.inline(self.module, &node.ident) else { return };
        let outer = std::mem::replace(&mut self.module, inline);
        let blocks = std::mem::take(&mut self.blocks);
        visit::visit_item_mod(self, node);
        self.module = outer;
        self.blocks = blocks;
    }

    fn visit_item_use(&mut self, node: &'a syn::ItemUse) {
        if for_tests(&node.attrs) {
            return;
        }
        for leaf in leaves(&node.tree) {
            self.path(&leaf.path, leaf.line);
        }
    }

    fn visit_block(&mut self, node: &'a syn::Block) {
        let items = node.stmts.iter().filter_map(|statement| match statement {
            syn::Stmt::Item(item) => Some(item),
            _ => None,
        });
        self.blocks.push(Scope::of(items));
        visit::visit_block(self, node);
        self.blocks.pop();
    }

    fn visit_path(&mut self, node: &'a syn::Path) {
        if let (Some(first), None) = (node.segments.first(), node.leading_colon) {
            self.path(&segments(node), line(&first.ident));
        }
        visit::visit_path(self, node);
    }

    fn visit_macro(&mut self, node: &'a syn::Macro) {
        self.visit_path(&node.path);
        self.tokens(node.tokens.clone(), &[]);
    }

    fn visit_attribute(&mut self, node: &'a syn::Attribute) {
        self.in_attribute = true;
        match &node.meta {
            syn::Meta::List(list) if !list.path.is_ident("cfg") => self.tokens(list.tokens.clone(), &[]),
            _ => {}
        }
        self.in_attribute = false;
    }

    /// `pub(in crate::store)` says who may use something, and uses nothing.
    fn visit_vis_restricted(&mut self, _: &'a syn::VisRestricted) {}
}
