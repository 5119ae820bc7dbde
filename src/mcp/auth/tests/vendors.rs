//! Access tokens in the forms of those who issue most of them. The claims are those that their documentation shows.

use super::*;

/// Whom a token of an issuer lets in, and with which grants.
async fn admitted(plan: IssuerPlan, header: &Value, claims: &Value) -> Result<(String, String), String> {
    let key = TestKey::rsa();
    let yard = Yard::of(vec![IssuerPlan { jwks_uri: Some(KEYS.to_owned()), ..plan }]);
    yard.documents.put(KEYS, &json!({"keys": [key.public("key-1")]}));
    let token = key.sign(header, claims);
    match yard.during(yard.admit(&token)).await {
        Ok(caller) => {
            let grantee = caller.grantee();
            Ok((grantee.name.to_string(), grantee.visibility.to_string()))
        }
        Err(AuthRefusal::Invalid(why)) => Err(why),
        Err(other) => panic!("{other:?}"),
    }
}

fn grants(named: &[(&str, &str)]) -> BTreeMap<String, std::collections::BTreeSet<String>> {
    named.iter().map(|(value, grant)| ((*value).to_owned(), [(*grant).to_owned()].into())).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what may fail")]
fn of(name: &str, grants: &str) -> Result<(String, String), String> {
    Ok((name.to_owned(), grants.to_owned()))
}

#[tokio::test]
async fn a_token_of_microsoft_entra_is_accepted_and_its_id_token_is_not() {
    let issuer = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0";
    let application = "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb";
    let plan = IssuerPlan {
        audiences: [application.to_owned()].into(),
        types: ["jwt".to_owned()].into(),
        principal_claim: "preferred_username".to_owned(),
        grant_claim: Some("groups".to_owned()),
        scopes: ["access".to_owned()].into(),
        grants: grants(&[("cccccccc-0000-0000-0000-000000000001", "payments"), ("other", "search")]),
        ..IssuerPlan::of(issuer)
    };
    let header = json!({"typ": "JWT", "alg": "RS256", "x5t": "key-1", "kid": "key-1"});
    let access = json!({
        "aud": application, "iss": issuer, "iat": NOW, "nbf": NOW, "exp": NOW + 4500, "aio": "AXQAi/8", "azp":
        "dddddddd-1111-2222-3333-eeeeeeeeeeee", "azpacr": "0", "groups": ["cccccccc-0000-0000-0000-000000000001"], "name": "Alice",
        "oid": "ffffffff-1111-2222-3333-000000000000", "preferred_username": "alice@example.com", "rh": "0.ARo", "scp": "access",
        "sid": "1", "sub": "pairwise", "tid": "11111111-2222-3333-4444-555555555555", "uti": "u", "ver": "2.0",
    });
    assert_eq!(admitted(plan.clone(), &header, &access).await, of("alice@example.com", "payments"));
    // Client and server may be one application: then only what the token has tells them apart.
    let mut id = json!({
        "aud": application, "iss": issuer, "iat": NOW, "nbf": NOW, "exp": NOW + 3900, "aio": "AXQAi/8", "groups":
        ["cccccccc-0000-0000-0000-000000000001"], "idp": "https://sts.windows.net/other/", "name": "Alice", "oid":
        "ffffffff-1111-2222-3333-000000000000", "preferred_username": "alice@example.com", "rh": "0.ARo", "roles": ["Muster.Reader"],
        "sid": "1", "sub": "pairwise", "tid": "11111111-2222-3333-4444-555555555555", "uti": "u", "ver": "2.0",
    });
    let open = IssuerPlan { scopes: std::collections::BTreeSet::new(), ..plan.clone() };
    assert!(admitted(open.clone(), &header, &id).await.unwrap_err().contains("neither scopes nor roles"));
    // A program that nobody logged in to has roles, and the token says which program it is.
    let mut program = id.clone();
    program["azp"] = json!("dddddddd-1111-2222-3333-eeeeeeeeeeee");
    assert_eq!(admitted(open.clone(), &header, &program).await, of("alice@example.com", "payments"));
    // Where that program is the application itself, nothing tells the token from one that says who logged in.
    program["azp"] = json!(application);
    assert!(admitted(open.clone(), &header, &program).await.unwrap_err().contains("same_client"));
    let same = IssuerPlan { same_client: true, ..open };
    assert!(admitted(same.clone(), &header, &program).await.unwrap_err().contains("same_client"));
    let mut own = access.clone();
    own["azp"] = json!(application);
    assert!(admitted(plan.clone(), &header, &own).await.unwrap_err().contains("same_client"));
    assert_eq!(admitted(same, &header, &own).await, of("alice@example.com", "payments"));
    id["nonce"] = json!("n");
    assert!(admitted(plan.clone(), &header, &id).await.unwrap_err().contains("it has nonce"));
    // A token for Microsoft Graph.
    let mut graph = access.clone();
    graph["aud"] = json!("00000003-0000-0000-c000-000000000000");
    assert!(admitted(plan, &header, &graph).await.unwrap_err().contains("not for this server"));
}

#[tokio::test]
async fn a_token_of_the_first_version_of_microsoft_entra_is_accepted_and_its_id_token_is_not() {
    let (issuer, application) =
        ("https://sts.windows.net/11111111-2222-3333-4444-555555555555/", "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb");
    let plan = IssuerPlan {
        audiences: [format!("api://{application}"), application.to_owned()].into(),
        types: ["jwt".to_owned()].into(),
        principal_claim: "upn".to_owned(),
        grant_claim: Some("roles".to_owned()),
        grants: grants(&[("Muster.Reader", "payments")]),
        ..IssuerPlan::of(issuer)
    };
    let header = json!({"typ": "JWT", "alg": "RS256", "x5t": "key-1", "kid": "key-1"});
    let access = json!({
        "aud": format!("api://{application}"), "iss": issuer, "iat": NOW, "nbf": NOW, "exp": NOW + 4500, "acr": "1", "aio": "AXQAi/8",
        "amr": ["pwd"], "appid": "dddddddd-1111-2222-3333-eeeeeeeeeeee", "appidacr": "0", "family_name": "A", "given_name": "Alice",
        "ipaddr": "192.0.2.1", "name": "Alice", "oid": "ffffffff-1111-2222-3333-000000000000", "rh": "0.ARo", "roles": ["Muster.Reader"],
        "scp": "access", "sub": "pairwise", "tid": "11111111-2222-3333-4444-555555555555", "unique_name": "alice@example.com",
        "upn": "alice@example.com", "uti": "u", "ver": "1.0",
    });
    assert_eq!(admitted(plan.clone(), &header, &access).await, of("alice@example.com", "payments"));
    let mut own = access.clone();
    own["appid"] = json!(application);
    assert_eq!(admitted(plan.clone(), &header, &own).await, of("alice@example.com", "payments"), "it is for its API");
    own["aud"] = json!(application);
    assert!(admitted(plan.clone(), &header, &own).await.unwrap_err().contains("appid"));
    let id = json!({
        "aud": application, "iss": issuer, "iat": NOW, "nbf": NOW, "exp": NOW + 3900, "amr": ["pwd"], "family_name": "A", "given_name":
        "Alice", "ipaddr": "192.0.2.1", "name": "Alice", "oid": "ffffffff-1111-2222-3333-000000000000", "rh": "0.ARo", "roles":
        ["Muster.Reader"], "sub": "pairwise", "tid": "11111111-2222-3333-4444-555555555555", "unique_name": "alice@example.com", "upn":
        "alice@example.com", "uti": "u", "ver": "1.0",
    });
    assert!(admitted(plan, &header, &id).await.unwrap_err().contains("neither scopes nor roles"));
}

#[tokio::test]
async fn id_tokens_that_name_their_client_and_have_no_nonce_are_refused_of_every_issuer() {
    let plan = |issuer: &str, audience: &str| IssuerPlan {
        audiences: [audience.to_owned()].into(),
        types: ["jwt".to_owned()].into(),
        grant_claim: Some("roles".to_owned()),
        grants: grants(&[("*", "payments")]),
        ..IssuerPlan::of(issuer)
    };
    let header = json!({"typ": "JWT", "alg": "RS256", "kid": "key-1"});
    // Google and Auth0 name the client of an ID token in azp as well; Cognito says in token_use what a token is.
    let google = json!({
        "iss": "https://accounts.google.com", "azp": "1-x.apps.googleusercontent.com", "aud": "1-x.apps.googleusercontent.com", "sub": "1",
        "hd": "example.com", "email": "alice@example.com", "email_verified": true, "iat": NOW, "exp": NOW + 3600, "roles": ["admin"],
    });
    let auth0 = json!({
        "iss": "https://example.eu.auth0.com/", "aud": "client", "azp": "client", "sub": "auth0|1", "iat": NOW, "exp": NOW + 36000, "sid":
        "s", "scope": "openid profile", "nickname": "alice",
    });
    let cognito = json!({
        "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a", "aud": "client", "sub": "1", "token_use": "id", "auth_time": NOW,
        "iat": NOW, "exp": NOW + 3600, "cognito:username": "alice", "scope": "openid", "origin_jti": "o", "event_id": "e",
    });
    for (id, why) in [(&google, "azp"), (&auth0, "azp"), (&cognito, "token_use")] {
        let plan = plan(id["iss"].as_str().unwrap(), id["aud"].as_str().unwrap());
        let refused = admitted(plan, &header, id).await.unwrap_err();
        assert!(refused.contains("who logged in") && refused.contains(why), "{refused}");
    }
    // Google names the application on a telephone as the client, and its server as the audience.
    let mut android = google;
    android["azp"] = json!("1-android.apps.googleusercontent.com");
    android.as_object_mut().unwrap().remove("roles");
    let of_server = plan("https://accounts.google.com", "1-x.apps.googleusercontent.com");
    for scope_claim in [None, Some("email"), Some("hd")] {
        let plan = IssuerPlan { scope_claim: scope_claim.map(str::to_owned), ..of_server.clone() };
        let refused = admitted(plan, &header, &android).await.unwrap_err();
        assert!(refused.contains("neither scopes nor roles"), "{refused}");
    }
    // The access token of Auth0 for an API.
    let mut access = auth0;
    access["aud"] = json!(["https://muster.example.com/mcp", "https://example.eu.auth0.com/userinfo"]);
    let plan = plan("https://example.eu.auth0.com/", "https://muster.example.com/mcp");
    assert_eq!(admitted(plan, &header, &access).await, of("auth0|1", "payments"));
}

#[tokio::test]
async fn a_token_of_okta_is_accepted_and_its_id_token_is_not() {
    let issuer = "https://example.okta.com/oauth2/default";
    let plan = IssuerPlan {
        audiences: ["api://default".to_owned()].into(),
        types: ["jwt".to_owned()].into(),
        grants: grants(&[("muster.read", "search"), ("muster.write", "all")]),
        ..IssuerPlan::of(issuer)
    };
    // Its header names no type.
    let header = json!({"kid": "key-1", "alg": "RS256"});
    let access = json!({
        "ver": 1, "jti": "AT.0mP", "iss": issuer, "aud": "api://default", "iat": NOW, "exp": NOW + 3600, "cid": "0oaexample",
        "uid": "00uexample", "scp": ["openid", "muster.read"], "auth_time": NOW, "sub": "alice@example.com",
    });
    assert_eq!(admitted(plan.clone(), &header, &access).await, of("alice@example.com", "search"));
    let id = json!({
        "sub": "00uexample", "email": "alice@example.com", "ver": 1, "iss": issuer, "aud": "api://default", "iat": NOW, "exp": NOW + 3600,
        "jti": "ID.1", "amr": ["pwd"], "idp": "00o", "nonce": "n", "auth_time": NOW, "at_hash": "h", "scp": ["openid"],
    });
    assert!(admitted(plan.clone(), &header, &id).await.unwrap_err().contains("who logged in"));
    // A token of the client credentials flow has the program as its subject too.
    let mut program = access;
    (program["sub"], program["cid"]) = (json!("0oaexample"), json!("0oaexample"));
    assert_eq!(admitted(plan, &header, &program).await, of("0oaexample", "search"));
}

#[tokio::test]
async fn a_token_of_keycloak_is_accepted_and_its_other_tokens_are_not() {
    let issuer = "https://id.example.com/realms/platform";
    let plan = IssuerPlan {
        audiences: ["muster".to_owned()].into(),
        types: ["jwt".to_owned()].into(),
        principal_claim: "preferred_username".to_owned(),
        grant_claim: Some("realm_access.roles".to_owned()),
        grants: grants(&[("muster-payments", "payments"), ("muster-search", "search")]),
        ..IssuerPlan::of(issuer)
    };
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"});
    let access = json!({
        "exp": NOW + 300, "iat": NOW, "auth_time": NOW, "jti": "onrtac:1", "iss": issuer, "aud": ["muster", "account"], "sub": "uuid",
        "typ": "Bearer", "azp": "editor", "sid": "s", "acr": "1", "allowed-origins": ["*"], "scope": "openid profile",
        "realm_access": {"roles": ["default-roles-platform", "muster-payments", "muster-search"]},
        "resource_access": {"account": {"roles": ["manage-account"]}}, "preferred_username": "alice", "email_verified": true,
    });
    assert_eq!(admitted(plan.clone(), &header, &access).await, of("alice", "payments, search"));
    for (kind, more) in
        [("ID", json!({"at_hash": "h"})), ("Refresh", json!({})), ("Logout", json!({})), ("ID", json!({}))]
    {
        let mut other = access.clone();
        other["typ"] = json!(kind);
        other.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert!(admitted(plan.clone(), &header, &other).await.unwrap_err().contains("who logged in"), "{kind}");
    }
    // A client that is the server itself gets tokens for itself, which say that they are for access.
    let mut own = access.clone();
    own["azp"] = json!("muster");
    assert_eq!(admitted(plan.clone(), &header, &own).await, of("alice", "payments, search"));
    // Without the role nothing can be seen, and that is no reason to refuse the token.
    let mut without = access;
    without["realm_access"] = json!({"roles": "muster"});
    assert_eq!(admitted(plan, &header, &without).await, of("alice", "nothing"));
}
