//! Who signed a request, and for which region: the credential scope of its signature.

/// What the header begins with.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The credential scope of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningScope {
    /// The id of the access key.
    pub key: String,
    /// The region.
    pub region: String,
    /// The service, such as `ec2`.
    pub service: String,
}

impl SigningScope {
    /// Reads the header `Authorization`: `AWS4-HMAC-SHA256 Credential=KEY/20261122/us-east-1/ec2/aws4_request, ...`; `None` where it
    /// is something else.
    #[must_use]
    pub fn of_header(authorization: &str) -> Option<Self> {
        let rest = authorization.trim().strip_prefix(ALGORITHM)?;
        let credential = rest.split(',').find_map(|part| part.trim().strip_prefix("Credential="))?;
        Self::of_credential(credential)
    }

    /// Reads a credential, as the parameter `X-Amz-Credential` of a signed URL has it.
    #[must_use]
    pub fn of_credential(credential: &str) -> Option<Self> {
        // The id of a key may hold a slash, and nothing after it does.
        let mut parts = credential.trim().rsplitn(5, '/');
        let (end, service, region, _date) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let key = parts.next().filter(|key| !key.is_empty())?;
        let is_whole = end == "aws4_request" && !region.is_empty();
        is_whole.then(|| SigningScope { key: key.to_owned(), region: region.to_owned(), service: service.to_owned() })
    }
}

/// The region that a host names: `ec2.eu-west-1.amazonaws.com` and its forms, also below another domain.
#[must_use]
pub fn region_of_host(host: &str) -> Option<&str> {
    let mut labels = host.split(':').next()?.split('.');
    let service = labels.next()?;
    let region = labels.next()?;
    // us-east-1, us-gov-west-1: words with hyphens that end with a number.
    let number = region.rsplit('-').next()?;
    let is_region =
        region.matches('-').count() >= 2 && number.len() == 1 && number.bytes().all(|it| it.is_ascii_digit());
    (service.eq_ignore_ascii_case("ec2") && is_region).then_some(region)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_scope_is_read_from_the_header_and_from_a_url() {
        let scope =
            |key: &str| SigningScope { key: key.to_owned(), region: "eu-west-1".to_owned(), service: "ec2".to_owned() };
        let header =
            "AWS4-HMAC-SHA256 Credential=AKID/20261122/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=0";
        assert_eq!(SigningScope::of_header(header), Some(scope("AKID")));
        let other =
            "AWS4-HMAC-SHA256 SignedHeaders=host,Credential=a/b/20261122/eu-west-1/ec2/aws4_request,Signature=0";
        assert_eq!(SigningScope::of_header(other), Some(scope("a/b")));
        assert_eq!(SigningScope::of_credential("AKID/20261122/eu-west-1/ec2/aws4_request"), Some(scope("AKID")));
        for none in [
            "",
            "Bearer x",
            "AWS4-HMAC-SHA256",
            "AWS4-HMAC-SHA256 Credential=/20261122/eu-west-1/ec2/aws4_request",
            "AWS4-HMAC-SHA256 Credential=AKID/20261122//ec2/aws4_request",
            "AWS4-HMAC-SHA256 Credential=AKID/eu-west-1/ec2/aws4_request",
            "AWS4-HMAC-SHA256 Credential=AKID/20261122/eu-west-1/ec2/other",
            "AWS AKID:signature",
        ] {
            assert_eq!(SigningScope::of_header(none), None, "{none}");
        }
    }

    #[test]
    fn a_host_may_name_the_region() {
        for (host, region) in [
            ("ec2.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("ec2.us-gov-west-1.localhost:8378", Some("us-gov-west-1")),
            ("EC2.eu-west-1.localhost", Some("eu-west-1")),
            ("127.0.0.1:8378", None),
            ("localhost", None),
            ("ec2.amazonaws.com", None),
            ("sqs.eu-west-1.amazonaws.com", None),
            ("ec2.a-b-c.test", None),
            ("", None),
        ] {
            assert_eq!(region_of_host(host), region, "{host}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_or_not(text in "(AWS4-HMAC-SHA256 )?[Credntial=/, a-z0-9\\PC]{0,60}") {
            drop((SigningScope::of_header(&text), SigningScope::of_credential(&text), region_of_host(&text)));
        }
    }
}
