//! The keys of an issuer: how they change, and what becomes of them while it is down.

use std::time::Duration;

use tokio::time::sleep;

use super::*;
use crate::mcp::auth::key_age::{FRESH, PAUSE};

#[tokio::test(start_paused = true)]
async fn a_new_key_is_fetched_once_it_is_used_and_one_that_is_withdrawn_counts_no_more() {
    let (old, new) = (TestKey::curve(), TestKey::curve());
    let yard = Yard::with_keys(&[old.public("old")]);
    let (of_old, of_new) = (old.token("old", &json!({})), new.token("new", &json!({})));
    yard.during(async {
        yard.admit(&of_old).await.unwrap();
        assert_eq!(yard.documents.fetched(), 1);
        yard.documents.put(KEYS, &json!({"keys": [old.public("old"), new.public("new")]}));
        sleep(PAUSE).await;
        yard.admit(&of_new).await.unwrap();
        assert_eq!(yard.documents.fetched(), 2);
        let let_in_by_old = yard.admit(&of_old).await.unwrap();
        let let_in_by_new = yard.admit(&of_new).await.unwrap();
        yard.documents.put(KEYS, &json!({"keys": [new.public("new")]}));
        // Nobody asks for a key that is not known, so it takes until the keys are fetched anyway.
        sleep(FRESH + Duration::from_secs(1)).await;
        assert!(yard.refused(&of_old).await.contains("no such key"));
        yard.admit(&of_new).await.unwrap();
        // Their streams and sessions end too, and those of the others go on.
        assert!(let_in_by_old.is_revoked() && !let_in_by_new.is_revoked());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn other_rules_for_an_issuer_keep_its_keys_even_while_it_is_down() {
    let key = TestKey::curve();
    let yard = Yard::with_keys(&[key.public("a")]);
    let good = key.token("a", &json!({"exp": NOW + 1_000_000}));
    yard.during(async {
        let before = yard.admit(&good).await.unwrap();
        yard.documents.clear();
        let rules = yard.gate.rules();
        let narrower =
            IssuerPlan { grants: BTreeMap::from([("*".to_owned(), ["search".to_owned()].into())]), ..plan() };
        yard.gate.set(AccessRules { issuers: vec![narrower.clone()], ..rules.clone() });
        let after = yard.admit(&good).await.unwrap();
        assert!(before.is_revoked() && !after.is_revoked());
        assert_eq!(yard.documents.fetched(), 1, "nothing is fetched again");
        // Keys that are elsewhere are other keys.
        let elsewhere = IssuerPlan { jwks_uri: Some("https://id.example.com/others".to_owned()), ..narrower };
        yard.gate.set(AccessRules { issuers: vec![elsewhere], ..rules });
        assert_eq!(yard.admit(&good).await.unwrap_err().status(), 503);
        assert!(after.is_revoked());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_keys_that_nobody_has_causes_one_fetch_a_minute() {
    let key = TestKey::curve();
    let yard = Yard::with_keys(&[key.public("a")]);
    let good = key.token("a", &json!({}));
    yard.during(async {
        yard.admit(&good).await.unwrap();
        // 10 minutes, 20 tokens a second.
        for number in 0..12_000 {
            let other = key.token(&format!("k{number}"), &json!({}));
            assert!(yard.refused(&other).await.contains("no such key"));
            if number % 1000 == 0 {
                yard.admit(&good).await.unwrap();
            }
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let fetched = yard.documents.fetched();
    assert!((10..=11).contains(&fetched), "{fetched} fetches");
}

#[tokio::test(start_paused = true)]
async fn the_last_keys_count_while_the_issuer_is_down() {
    let key = TestKey::curve();
    let yard = Yard::with_keys(&[key.public("a")]);
    let good = key.token("a", &json!({"exp": NOW + 1_000_000}));
    yard.during(async {
        yard.admit(&good).await.unwrap();
        yard.documents.clear();
        sleep(FRESH * 24).await;
        yard.admit(&good).await.unwrap();
        assert!(yard.refused(&key.token("b", &json!({}))).await.contains("no such key"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn while_no_keys_are_known_at_all_nobody_is_told_that_their_token_is_bad() {
    let key = TestKey::curve();
    let yard = Yard::of(vec![plan()]);
    let good = key.token("a", &json!({}));
    yard.during(async {
        let refusal = yard.admit(&good).await.unwrap_err();
        assert_eq!(refusal.status(), 503);
        let AuthRefusal::Unavailable(why) = refusal else { panic!("{refusal:?}") };
        assert!(why.contains(ISSUER) && why.contains("does not answer"), "{why}");
        yard.documents.put(KEYS, &json!({"keys": [key.public("a")]}));
        sleep(Duration::from_secs(11)).await;
        yard.admit(&good).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_where_the_metadata_of_the_issuer_says_and_nobody_elses_count() {
    let key = TestKey::curve();
    let yard = Yard::of(vec![IssuerPlan { jwks_uri: None, ..plan() }]);
    let documents = &yard.documents;
    documents.put(KEYS, &json!({"keys": [key.public("a")]}));
    let openid = format!("{ISSUER}/.well-known/openid-configuration");
    let oauth = "https://id.example.com/.well-known/oauth-authorization-server/realms/team";
    let good = key.token("a", &json!({}));
    yard.during(async {
        for (url, metadata, why) in [
            (openid.as_str(), json!({"issuer": "https://evil.test", "jwks_uri": KEYS}), "is of another issuer"),
            (
                openid.as_str(),
                json!({"issuer": ISSUER, "jwks_uri": "http://id.example.com/keys"}),
                "not at an https URL",
            ),
            (
                openid.as_str(),
                json!({"issuer": ISSUER, "jwks_uri": "http://127.0.0.1:9000/keys"}),
                "not at an https URL",
            ),
            (openid.as_str(), json!([]), "is no metadata"),
        ] {
            documents.put(url, &metadata);
            sleep(Duration::from_secs(11)).await;
            let AuthRefusal::Unavailable(refused) = yard.admit(&good).await.unwrap_err() else { panic!() };
            assert!(refused.contains(why), "{refused}");
        }
        documents.put(oauth, &json!({"issuer": ISSUER, "jwks_uri": KEYS}));
        sleep(Duration::from_secs(11)).await;
        yard.admit(&good).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn whoever_was_let_in_by_an_issuer_that_is_said_otherwise_now_is_over() {
    let key = TestKey::curve();
    let yard = Yard::with_keys(&[key.public("a")]);
    let good = key.token("a", &json!({}));
    yard.during(async {
        let before = yard.admit(&good).await.unwrap();
        let rules = yard.gate.rules();
        yard.gate.set(rules.clone());
        assert!(!before.is_revoked(), "nothing has changed");
        let narrower =
            IssuerPlan { grants: BTreeMap::from([("*".to_owned(), ["search".to_owned()].into())]), ..plan() };
        yard.gate.set(AccessRules { issuers: vec![narrower], ..rules.clone() });
        assert!(before.is_revoked());
        let after = yard.admit(&good).await.unwrap();
        assert_eq!(after.grantee().visibility.to_string(), "search");
        assert!(!after.grantee().writes && !after.is_same(&before));
        yard.gate.set(AccessRules { issuers: vec![], ..rules });
        assert!(after.is_revoked());
        assert!(yard.refused(&good).await.contains("not known here"));
    })
    .await;
}

#[tokio::test]
async fn a_grant_that_an_issuer_does_not_name_changes_and_whoever_it_let_in_goes_on() {
    let key = TestKey::curve();
    let yard = Yard::with_keys(&[key.public("a")]);
    let good = key.token("a", &json!({}));
    yard.during(async {
        let before = yard.admit(&good).await.unwrap();
        let rules = yard.gate.rules();
        let set = |all: Grant, search: Grant| {
            let grants = GrantBook::new(vec![all, search]);
            yard.gate.set(AccessRules { grants, ..rules.clone() });
        };
        let all = |writes| Grant { name: "all".into(), writes, ..Grant::default() };
        set(all(true), Grant::of_accounts("search", ["222222222222"]));
        assert!(!before.is_revoked(), "the grant is another one's");
        assert!(yard.admit(&good).await.unwrap().is_same(&before));
        set(all(false), Grant::of_accounts("search", ["222222222222"]));
        assert!(before.is_revoked());
        assert!(!yard.admit(&good).await.unwrap().grantee().writes);
    })
    .await;
}
