//! Tokens that must not let anybody in.

use ring::hmac;

use super::*;

#[tokio::test]
async fn a_good_token_lets_in_until_it_ends() {
    let key = TestKey::curve();
    let yard = Yard::with_keys(&[key.public("a")]);
    yard.during(async {
        let token = key.token("a", &json!({}));
        let caller = yard.admit(&token).await.unwrap();
        assert_eq!((&*caller.grantee().name, caller.grantee().issuer.as_deref()), ("alice", Some(ISSUER)));
        assert!(caller.grantee().writes && caller.grantee().is_limited());
        assert!(Arc::ptr_eq(&caller, &yard.admit(&token).await.unwrap()), "it is judged once");
        yard.clock.set(NOW + 629);
        assert!(yard.admit(&token).await.is_ok());
        yard.clock.set(NOW + 630);
        assert!(yard.refused(&token).await.contains("it ended at"));
    })
    .await;
}

#[tokio::test]
async fn claims_that_do_not_fit_are_refused_with_the_reason() {
    let key = TestKey::curve();
    let yard = Yard::with_keys(&[key.public("a")]);
    yard.during(async {
        for (more, why) in [
            (json!({"exp": NOW - 31}), "it ended at"),
            // CVE-2026-25537: a reader that takes a text for no time at all sees no end.
            (json!({"exp": (NOW + 600).to_string()}), "its claim exp"),
            (json!({"exp": null}), "its claim exp"),
            (json!({"exp": [NOW + 600]}), "its claims cannot be read"),
            (json!({"exp": 1e300}), "its claim exp"),
            (json!({"exp": -1}), "its claim exp"),
            (json!({"nbf": NOW + 100}), "does not count before"),
            (json!({"nbf": "0"}), "its claim nbf"),
            (json!({"aud": "https://other.example.com/mcp"}), "not for this server"),
            (json!({"aud": [AUDIENCE.to_uppercase(), "x"]}), "not for this server"),
            (json!({"aud": [AUDIENCE, 5]}), "its claim aud"),
            (json!({"aud": []}), "not for this server"),
            (json!({"aud": null}), "its claim aud"),
            (json!({"aud": {"a": AUDIENCE}}), "its claim aud"),
            (json!({"iss": format!("{ISSUER}/")}), "not trusted here"),
            (json!({"iss": "https://id.example.com/realms/other"}), "not trusted here"),
            (json!({"sub": null}), "its claim sub"),
            (json!({"sub": " "}), "its claim sub"),
            (json!({"sub": 5}), "its claim sub"),
            (json!({"scope": 5}), "its claim scope"),
        ] {
            let refused = yard.refused(&key.token("a", &more)).await;
            assert!(refused.contains(why), "{more}: {refused}");
        }
    })
    .await;
}

#[tokio::test]
async fn signatures_and_headers_that_do_not_fit_are_refused() {
    let (key, rsa) = (TestKey::curve(), TestKey::rsa());
    let yard = Yard::with_keys(&[key.public("a"), rsa.public("r")]);
    let good = key.token("a", &json!({}));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let header = |header: Value| encoded(header.to_string());
    let body = |more: Value| encoded(claims(&more).to_string());
    // The public key as a secret: where the header chooses how a token is checked, anybody can make one.
    let confused = |kid: &str, alg: &str, secret: &[u8]| {
        let message =
            format!("{}.{}", header(json!({"typ": "at+jwt", "alg": alg, "kid": kid})), body(json!({"sub": "mallory"})));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        format!("{message}.{}", encoded(tag))
    };
    let public = URL_SAFE_NO_PAD.decode(rsa.public("r")["n"].as_str().unwrap()).unwrap();
    let plain =
        |alg: &str| format!("{}.{}.", header(json!({"typ": "at+jwt", "alg": alg, "kid": "a"})), body(json!({})));
    let of_other = key.sign(&json!({"typ": "at+jwt", "alg": "ES256", "kid": "r"}), &claims(&json!({})));
    let typed = |typ: &str| key.sign(&json!({"typ": typ, "alg": "ES256", "kid": "a"}), &claims(&json!({})));
    let critical = json!({"typ": "at+jwt", "alg": "ES256", "kid": "a", "crit": ["exp"], "exp": 1});
    let embedded = json!({"typ": "at+jwt", "alg": "ES256", "kid": "b", "jwk": TestKey::curve().public("b")});
    yard.during(async {
        assert!(yard.admit(&good).await.is_ok());
        for (token, why) in [
            (plain("none"), "no signed JSON Web Token"),
            (plain("NONE"), "no signed JSON Web Token"),
            (plain("ES256"), "its signature is wrong"),
            (format!("{message}."), "its signature is wrong"),
            (message.to_owned(), "not known here"),
            (confused("r", "HS256", &public), "an algorithm that is not accepted"),
            (confused("a", "HS256", b"secret"), "an algorithm that is not accepted"),
            (key.sign(&json!({"typ": "at+jwt", "alg": "ES384", "kid": "a"}), &claims(&json!({}))), "not accepted"),
            (format!("{message}.{}", encoded([0; 64])), "its signature is wrong"),
            (
                format!("{}.{}.{signature}", message.split_once('.').unwrap().0, body(json!({"sub": "mallory"}))),
                "its signature",
            ),
            (TestKey::curve().token("a", &json!({})), "its signature is wrong"),
            (of_other, "no such key"),
            (typed("JWT"), "its type is jwt"),
            (typed("dpop+jwt"), "its type is dpop+jwt"),
            (key.sign(&critical, &claims(&json!({}))), "its signature is wrong"),
            (TestKey::curve().sign(&embedded, &claims(&json!({}))), "no such key"),
            ("a.b.c".to_owned(), "no signed JSON Web Token"),
            ("..".to_owned(), "no signed JSON Web Token"),
            (format!("{good}.x"), "not known here"),
        ] {
            let refused = yard.refused(&token).await;
            assert!(refused.contains(why), "{token}: {refused}");
        }
        assert!(yard.admit(&typed("AT+JWT")).await.is_ok() && yard.admit(&typed("application/at+jwt")).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_token_without_a_scope_that_is_needed_is_forbidden_and_a_bad_one_is_not() {
    let key = TestKey::curve();
    let yard = Yard::of(vec![IssuerPlan { scopes: ["muster.read".to_owned()].into(), ..plan() }]);
    yard.documents.put(KEYS, &json!({"keys": [key.public("a")]}));
    yard.during(async {
        assert!(yard.admit(&key.token("a", &json!({}))).await.is_ok());
        let other = key.token("a", &json!({"scope": "muster.readers other"}));
        assert_eq!(yard.admit(&other).await.unwrap_err(), AuthRefusal::Scope("muster.read".to_owned()));
        assert!(yard.refused(&key.token("a", &json!({"scope": "other", "exp": 1}))).await.contains("it ended"));
    })
    .await;
}
