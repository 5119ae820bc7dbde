//! Which signatures are taken. That clients of AWS make such ones is tested with botocore, in `tests/it/signatures.rs`.

use proptest::prelude::*;

use super::*;

/// The keys of the tests of AWS's own documentation.
const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn secret_of(key: &str) -> Option<&'static str> {
    (key == KEY).then_some(SECRET)
}

/// A change of a request on its way.
type SentChange = fn(&mut Sent);

/// A request as a client sends it.
#[derive(Clone, Debug)]
struct Sent {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Sent {
    /// A request that is signed at `signed`, in a header.
    fn in_header(query: &str, body: &[u8], signed: Timestamp) -> Sent {
        let mut sent = Sent {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: query.to_owned(),
            headers: vec![("host".to_owned(), "127.0.0.1:8377".to_owned()), ("accept".to_owned(), "a  b".to_owned())],
            body: body.to_vec(),
        };
        let (instructions, _) = sent.sign(SigningSettings::default(), signed).into_parts();
        for (name, value) in instructions.headers() {
            sent.headers.push((name.to_lowercase(), value.to_owned()));
        }
        sent
    }

    /// A request whose URL is signed at `signed`.
    fn in_url(query: &str, signed: Timestamp, good_for: u64) -> Sent {
        let mut sent = Sent { method: "GET".to_owned(), headers: Vec::new(), ..Sent::in_header(query, b"", signed) };
        sent.headers.push(("host".to_owned(), "127.0.0.1:8377".to_owned()));
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(good_for));
        let (instructions, _) = sent.sign(settings, signed).into_parts();
        let params = instructions.params().iter().map(|(name, value)| (*name, value.as_ref()));
        let added = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        sent.query = [sent.query.as_str(), &added].join("&");
        sent
    }

    fn sign(
        &self,
        settings: SigningSettings,
        signed: Timestamp,
    ) -> aws_sigv4::SigningOutput<aws_sigv4::http_request::SigningInstructions> {
        let identity = Credentials::new(KEY, SECRET, None, None, "test").into();
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(signed.as_millis()).unwrap());
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-west-1")
            .name("ec2")
            .time(time)
            .settings(settings)
            .build()
            .unwrap();
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let uri = format!("http://127.0.0.1:8377{}?{}", self.path, self.query);
        let request = SignableRequest::new(&self.method, uri, headers, SignableBody::Bytes(&self.body)).unwrap();
        sign(request, &params.into()).unwrap()
    }

    fn verify(&self, now: Timestamp) -> Result<Signer, SignatureFault> {
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let request = SentRequest {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &headers,
            body: &self.body,
        };
        verify(&request, "ec2", secret_of, now)
    }

    fn set(&mut self, name: &str, value: impl FnOnce(&str) -> String) {
        let header = self.headers.iter_mut().find(|(of, _)| of == name).unwrap();
        header.1 = value(&header.1);
    }
}

#[test]
fn the_example_of_aws_is_verified() {
    // "get-vanilla" of AWS's test suite for Signature Version 4.
    let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                         SignedHeaders=host;x-amz-date, \
                         Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let headers =
        [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z"), ("authorization", authorization)];
    let request = SentRequest { method: "GET", path: "/", query: "", headers: &headers, body: b"" };
    let now = at("2015-08-30T12:38:00Z");
    let signer = Signer { key: KEY.to_owned(), region: "us-east-1".to_owned() };
    assert_eq!(verify(&request, "service", secret_of, now), Ok(signer));
    assert_eq!(verify(&request, "ec2", secret_of, now), Err(SignatureFault::OtherService("service".to_owned())));
    assert_eq!(verify(&request, "service", |_| None, now), Err(SignatureFault::NotValid));
    assert_eq!(verify(&request, "service", |_| Some("another"), now), Err(SignatureFault::NotValid));
    let other = SentRequest { path: "/x", ..request };
    assert_eq!(verify(&other, "service", secret_of, now), Err(SignatureFault::NotValid));
}

#[test]
fn a_request_that_was_signed_lately_is_taken_as_it_was_sent() {
    let signed = at("2026-11-22T13:15:10Z");
    let taken = Ok(Signer { key: KEY.to_owned(), region: "eu-west-1".to_owned() });
    let sent = Sent::in_header("a=b+c&x=%2F", b"Action=DescribeVpcs", signed);
    for (now, expected) in [
        ("2026-11-22T13:15:10Z", true),
        ("2026-11-22T13:20:10Z", true),
        ("2026-11-22T13:20:11Z", false),
        ("2026-11-22T13:10:10Z", true),
        ("2026-11-22T13:10:09Z", false),
    ] {
        let found = sent.verify(at(now));
        if expected {
            assert_eq!(found, taken, "{now}");
        } else {
            assert_eq!(found, Err(SignatureFault::Skewed { signed, now: at(now) }), "{now}");
        }
    }
    let url = Sent::in_url("Action=DescribeVpcs&Version=2016-11-15", signed, 60);
    assert_eq!(url.verify(signed), taken);
    assert_eq!(url.verify(at("2026-11-22T13:16:10Z")), taken);
    let until = at("2026-11-22T13:16:10Z");
    assert_eq!(url.verify(at("2026-11-22T13:16:11Z")), Err(SignatureFault::Expired(until)));
    assert!(matches!(url.verify(at("2026-11-22T13:00:00Z")), Err(SignatureFault::Skewed { .. })));
}

#[test]
fn whatever_is_changed_after_signing_is_noticed() {
    let now = at("2026-11-22T13:15:10Z");
    let sent = Sent::in_header("a=b", b"Action=DescribeVpcs", now);
    let changes: [SentChange; 8] = [
        |sent| sent.method = "GET".to_owned(),
        |sent| sent.path = "/123456789012/".to_owned(),
        |sent| sent.query.push_str("&c=d"),
        |sent| sent.body.push(b'x'),
        |sent| sent.set("host", |_| "127.0.0.1:8378".to_owned()),
        |sent| sent.set("accept", |_| "c".to_owned()),
        |sent| sent.set("authorization", |it| it.replace("eu-west-1", "eu-west-2")),
        |sent| sent.set("authorization", |it| it.replace(KEY, "AKIDOTHER")),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut other = sent.clone();
        change(&mut other);
        assert_eq!(other.verify(now), Err(SignatureFault::NotValid), "change {at}");
    }
    let mut url = Sent::in_url("Action=DescribeVpcs", now, 60);
    url.query = url.query.replace("Vpcs", "Volumes");
    assert_eq!(url.verify(now), Err(SignatureFault::NotValid));
    let mut url = Sent::in_url("Action=DescribeVpcs", now, 60);
    url.query = url.query.replace("X-Amz-Expires=60", "X-Amz-Expires=600");
    assert_eq!(url.verify(now), Err(SignatureFault::NotValid));
}

#[test]
fn what_is_no_signature_is_refused_and_says_why() {
    let now = at("2026-11-22T13:15:10Z");
    let sent = Sent::in_header("", b"", now);
    let changes: [(SentChange, &str); 11] = [
        (|sent| sent.headers.retain(|(name, _)| name != "authorization"), "is not signed"),
        (|sent| sent.set("authorization", |_| "Bearer x".to_owned()), "does not begin with AWS4-HMAC-SHA256"),
        (|sent| sent.set("authorization", |it| it.replace("SignedHeaders=", "Headers=")), "a part that is none"),
        (|sent| sent.set("authorization", |it| format!("{it}, Signature=x")), "a part twice"),
        (|sent| sent.set("authorization", |it| it.replace("/aws4_request", "")), "its credential is not KEY"),
        (|sent| sent.set("authorization", |it| it.replace("host;", "")), "must be signed"),
        (|sent| sent.headers.push(("x-amz-target".to_owned(), "x".to_owned())), "must be signed"),
        (|sent| sent.headers.retain(|(name, _)| name != "x-amz-date"), "no header X-Amz-Date"),
        (|sent| sent.set("x-amz-date", |_| "20261122T131510".to_owned()), "its time is not like"),
        (|sent| sent.set("authorization", |it| it.replace("/20261122/", "/20261121/")), "the date of its credential"),
        (|sent| sent.headers.push(("authorization".to_owned(), "x".to_owned())), "there twice"),
    ];
    for (change, why) in changes {
        let mut other = sent.clone();
        change(&mut other);
        let fault = other.verify(now).unwrap_err();
        assert!(fault.to_string().contains(why), "{why}: {fault}");
        assert!((400..=403).contains(&fault.status()) && !fault.code().is_empty());
    }
    let mut token = sent.clone();
    token.headers.push(("x-amz-security-token".to_owned(), "t".to_owned()));
    token.set("authorization", |it| it.replace("SignedHeaders=", "SignedHeaders=x-amz-security-token;"));
    assert_eq!(token.verify(now), Err(SignatureFault::Temporary));
    let mut temporary = sent.clone();
    temporary.set("authorization", |it| it.replace(KEY, "ASIAEXAMPLE"));
    assert_eq!(temporary.verify(now), Err(SignatureFault::Temporary));
    let url = Sent::in_url("a=b", now, 60);
    for (from, to, why) in [
        ("X-Amz-Expires=60", "X-Amz-Expires=0", "X-Amz-Expires is not between"),
        ("X-Amz-Expires=60", "X-Amz-Expires=604801", "X-Amz-Expires is not between"),
        ("X-Amz-Expires=60", "a=b", "lacks a part"),
        ("a=b", "X-Amz-Date=x", "has a part of it twice"),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=none", "algorithm"),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=accept", "Host must be signed"),
    ] {
        let other = Sent { query: url.query.replace(from, to), ..url.clone() };
        assert!(other.verify(now).unwrap_err().to_string().contains(why), "{why}: {}", other.query);
    }
    let token = Sent { query: format!("{}&X-Amz-Security-Token=t", url.query), ..url };
    assert_eq!(token.verify(now), Err(SignatureFault::Temporary));
}

proptest! {
    #[test]
    fn what_is_signed_is_verified_and_nothing_else_is(
        query in "([a-zA-Z.0-9]{1,4}=[a-z0-9 +%~*-]{0,4}&){0,3}",
        body in prop::collection::vec(any::<u8>(), 0..20),
        flip in any::<prop::sample::Index>(),
    ) {
        // As clients do, with everything encoded.
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let now = at("2026-11-22T13:15:10Z");
        let sent = Sent::in_header(&query, &body, now);
        prop_assert!(sent.verify(now).is_ok());
        let url = Sent::in_url(&query, now, 60);
        prop_assert!(url.verify(now).is_ok());
        let mut other = sent;
        let (_, authorization) = other.headers.iter_mut().find(|(name, _)| name == "authorization").unwrap();
        let at = flip.index(authorization.len());
        let letter = if authorization.as_bytes()[at] == b'0' { "1" } else { "0" };
        authorization.replace_range(at..=at, letter);
        prop_assert!(other.verify(now).is_err());
    }

    #[test]
    fn anything_is_taken_or_refused(authorization in "(AWS4-HMAC-SHA256 )?.{0,60}", query in ".{0,40}", time in ".{0,20}") {
        let headers = [("host", "a"), ("x-amz-date", time.as_str()), ("authorization", authorization.as_str())];
        let request = SentRequest { method: "GET", path: "/", query: &query, headers: &headers, body: b"" };
        prop_assert!(verify(&request, "ec2", secret_of, Timestamp::EPOCH).is_err());
        let request = SentRequest { headers: &headers[..1], ..request };
        prop_assert!(verify(&request, "ec2", secret_of, Timestamp::EPOCH).is_err());
    }
}
