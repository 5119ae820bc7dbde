use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;

const ISSUER: &str = "https://id.example.com";
const NOW: i64 = 1_796_000_000;

fn plan() -> IssuerPlan {
    IssuerPlan {
        audiences: ["muster".to_owned()].into(),
        types: ["at+jwt".to_owned(), "jwt".to_owned()].into(),
        scopes: ["read".to_owned()].into(),
        grants: [("read", "all"), ("team", "payments"), (EVERYBODY, "common")]
            .into_iter()
            .map(|(value, grant)| (value.to_owned(), [grant.to_owned()].into()))
            .collect(),
        ..IssuerPlan::of(ISSUER)
    }
}

/// A claim: of several values, or none. The second part says whether it is one that has to be accepted.
fn one_of(values: &'static [(&'static str, bool)]) -> impl Strategy<Value = (Option<Value>, bool)> {
    select(values).prop_map(|(text, is_good)| {
        let value = (!text.is_empty()).then(|| serde_json::from_str(text).unwrap());
        (value, is_good)
    })
}

proptest! {
    // Each claim is good or bad by itself: whoever has one bad one is refused, and whoever has none is let in.
    #[test]
    fn one_bad_claim_is_enough_to_be_refused(
        iss in one_of(&[("\"https://id.example.com\"", true), ("\"https://id.example.com/\"", false), ("[\"https://id.example.com\"]", false), ("", false)]),
        aud in one_of(&[("\"muster\"", true), ("[\"x\", \"muster\"]", true), ("\"muster2\"", false), ("[]", false), ("[\"muster\", 1]", false), ("null", false), ("", false)]),
        exp in one_of(&[("1796000001", true), ("1795999971", true), ("1796000000.5", true), ("1795999970", false), ("\"1796000600\"", false), ("null", false), ("true", false), ("", false)]),
        nbf in one_of(&[("", true), ("0", true), ("1796000030", true), ("1796000031", false), ("\"0\"", false), ("null", false)]),
        sub in one_of(&[("\"a\"", true), ("\"a b\"", true), ("\"\"", false), ("\" a\"", false), ("\"a\\u200b\"", false), ("\"a\\n\"", false), ("1", false), ("", false)]),
        scope in one_of(&[("\"read\"", true), ("\"x read y\"", true), ("[\"read\"]", true), ("\"reader\"", false), ("{}", false), ("", false)]),
        login in one_of(&[("", true), ("\"n\"", false), ("null", false)]),
        client in one_of(&[("", true), ("\"editor\"", true), ("[\"muster\"]", true), ("\"muster\"", false)]),
        hash in one_of(&[("", true), ("\"h\"", false)]),
        used in one_of(&[("", true), ("\"id\"", false), ("null", false)]),
    ) {
        let parts = [
            ("iss", iss), ("aud", aud), ("exp", exp), ("nbf", nbf), ("sub", sub), ("scope", scope), ("nonce", login), ("azp", client),
            ("at_hash", hash), ("token_use", used),
        ];
        let is_good = parts.iter().all(|(_, (_, is_good))| *is_good);
        let claims: Map<String, Value> =
            parts.iter().filter_map(|(name, (value, _))| Some(((*name).to_owned(), value.clone()?))).collect();
        let judged = judge(&claims, "jwt", &plan(), Timestamp::from_millis(NOW * 1000));
        prop_assert_eq!(judged.is_ok(), is_good, "{:?}: {:?}", claims, judged);
    }
}

fn granted(claim: Option<&str>, claims: &Value) -> Vec<String> {
    let mut all = json!({"iss": ISSUER, "aud": "muster", "exp": NOW + 60, "sub": "a", "scope": "read other"});
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    let plan = IssuerPlan { grant_claim: claim.map(str::to_owned), ..plan() };
    judge(all.as_object().unwrap(), "at+jwt", &plan, Timestamp::from_millis(NOW * 1000)).unwrap().grants
}

#[test]
fn grants_are_those_of_the_values_of_one_claim_and_those_of_everybody() {
    assert_eq!(granted(None, &json!({})), ["all", "common"]);
    assert_eq!(granted(None, &json!({"groups": ["team"]})), ["all", "common"], "another claim does not count");
    assert_eq!(granted(Some("groups"), &json!({"groups": ["x", "team", 5]})), ["common", "payments"]);
    assert_eq!(granted(Some("groups"), &json!({"groups": "team"})), ["common", "payments"]);
    assert_eq!(granted(Some("groups"), &json!({"groups": "x team"})), ["common"], "only scopes are words");
    assert_eq!(granted(Some("groups"), &json!({"groups": "*"})), ["common"]);
    assert_eq!(granted(Some("a.b"), &json!({"a": {"b": ["team"]}})), ["common", "payments"]);
    assert_eq!(granted(Some("a.b"), &json!({"a.b": ["team"], "a": {"b": ["read"]}})), ["common", "payments"]);
    assert_eq!(
        granted(Some("https://x.test/groups"), &json!({"https://x.test/groups": ["team"]})),
        ["common", "payments"]
    );
    assert_eq!(granted(Some("a.b"), &json!({"a": "team"})), ["common"]);
}

#[test]
fn a_token_ends_when_it_says_and_no_more_than_the_leeway_later() {
    let claims = json!({"iss": ISSUER, "aud": "muster", "exp": NOW + 60, "sub": "a", "scope": "read"});
    let judged = judge(claims.as_object().unwrap(), "at+jwt", &plan(), Timestamp::from_millis(NOW * 1000)).unwrap();
    assert_eq!(judged.ends, Timestamp::from_millis((NOW + 60) * 1000) + LEEWAY);
}

#[test]
fn roles_and_scopes_of_another_claim_count_only_with_the_client_that_got_the_token() {
    let plan = |scope_claim: Option<&str>| IssuerPlan {
        scope_claim: scope_claim.map(str::to_owned),
        scopes: std::collections::BTreeSet::new(),
        ..plan()
    };
    let judged = |scope_claim, more: &Value| {
        let mut all = json!({"iss": ISSUER, "aud": "muster", "exp": NOW + 60, "sub": "a"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        judge(all.as_object().unwrap(), "jwt", &plan(scope_claim), Timestamp::from_millis(NOW * 1000))
    };
    let roles = json!({"roles": ["team"]});
    assert_eq!(judged(None, &roles), Err(ClaimFault::NoAccess));
    assert_eq!(judged(None, &json!({"azp": "editor"})), Err(ClaimFault::NoAccess));
    for client in CLIENTS {
        assert!(judged(None, &json!({"roles": ["team"], client: "editor"})).is_ok(), "{client}");
    }
    assert_eq!(judged(Some("permissions"), &json!({"permissions": ["read"]})), Err(ClaimFault::NoAccess));
    assert!(judged(Some("permissions"), &json!({"permissions": ["read"], "azp": "editor"})).is_ok());
    for claim in ["email", "groups", "hd", "name", "preferred_username", "upn"] {
        let said = json!({"azp": "editor", claim: "alice"});
        assert_eq!(judged(Some(claim), &said), Err(ClaimFault::NoAccess), "{claim}");
    }
    assert!(judged(Some("scp"), &json!({"scp": ["read"]})).is_ok());
    // What says that it is for access needs neither.
    let mut all = json!({"iss": ISSUER, "aud": "muster", "exp": NOW + 60, "sub": "a"});
    all.as_object_mut().unwrap().extend(roles.as_object().unwrap().clone());
    assert!(judge(all.as_object().unwrap(), "at+jwt", &plan(None), Timestamp::from_millis(NOW * 1000)).is_ok());
}

#[test]
fn a_token_for_the_client_that_got_it_counts_only_where_that_is_configured_or_it_says_that_it_is_for_access() {
    let judged = |same_client, is, more: &Value| {
        let mut all = json!({"iss": ISSUER, "aud": ["x", "muster"], "exp": NOW + 60, "sub": "a"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let plan = IssuerPlan { same_client, scopes: std::collections::BTreeSet::new(), ..plan() };
        judge(all.as_object().unwrap(), is, &plan, Timestamp::from_millis(NOW * 1000)).map(drop)
    };
    for client in CLIENTS {
        // An ID token may have other audiences beside its client.
        for audience in ["muster", "x"] {
            let (roles, scopes) =
                (json!({client: audience, "roles": ["team"]}), json!({client: audience, "scp": "read"}));
            for more in [&roles, &scopes] {
                assert_eq!(judged(false, "jwt", more), Err(ClaimFault::OwnClient(client)), "{more}");
                assert_eq!(judged(false, "at+jwt", more), Ok(()), "{more}");
            }
            assert_eq!(judged(true, "jwt", &scopes), Ok(()));
            assert_eq!(judged(true, "jwt", &roles), Err(ClaimFault::OwnClient(client)), "roles may be in an ID token");
        }
        for (kind, access) in KINDS {
            for value in access {
                let said = json!({client: "muster", "scp": "read", kind: value});
                assert_eq!(judged(false, "jwt", &said), Ok(()), "{said}");
            }
            let said = json!({client: "editor", "scp": "read", kind: "id"});
            assert_eq!(judged(true, "jwt", &said), Err(ClaimFault::Login(kind)), "{said}");
        }
    }
    // A second claim of a client hides the first from nobody.
    let hidden = json!({"azp": "editor", "cid": "muster", "scp": "read"});
    assert_eq!(judged(false, "jwt", &hidden), Err(ClaimFault::OwnClient("cid")));
}
