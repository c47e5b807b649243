//! Who says who somebody is: signed user ids and tokens.

use crate::support::{CHROME, HOME, Page, Sent, compile, running, shop, with};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sortition_engine::hash::{hex, signature::sign};
use sortition_engine::visit::World;

const KEY: &[u8] = b"the key of the shop's own server";

/// The user that a request proves to be, under the settings and secrets.
fn user(settings: &Value, header: (&str, &str), secret: Option<&[u8]>) -> Option<String> {
    let plan = compile(&with(shop(&[running("hero", json!({"unit": "user"}))]), json!({"visitor": settings})));
    let sent = Sent::by(CHROME).header(header.0, header.1);
    let page = Page::new(&plan, HOME, &sent);
    let world = World { ingest_secret: secret, token_secret: secret, ..page.world() };
    page.visit_in(world, || [7; 16]).intent().visitor().unwrap().user.clone()
}

#[test]
fn a_signed_user_is_believed_and_nobody_else() {
    let settings = json!({"user_cookie": "user", "user_header": "X-User", "user_signed": true});
    let tag = |user: &str, key: &[u8]| hex(&sign(key, &[b"user.", user.as_bytes()]));
    let good = format!("u.1.{}", tag("u.1", KEY));
    assert_eq!(user(&settings, ("x-user", &good), Some(KEY)).as_deref(), Some("u.1"));
    assert_eq!(user(&settings, ("cookie", &format!("user={good}")), Some(KEY)).as_deref(), Some("u.1"));
    for (value, secret) in [
        ("u.1".to_owned(), Some(KEY)),
        (format!("u.2.{}", tag("u.1", KEY)), Some(KEY)),
        (format!("u.1.{}", tag("u.1", b"another")), Some(KEY)),
        (format!("u.1.{}", &tag("u.1", KEY)[..32]), Some(KEY)),
        (format!("u@1.{}", tag("u@1", KEY)), Some(KEY)),
        (good.clone(), None),
    ] {
        assert_eq!(user(&settings, ("x-user", &value), secret), None, "{value}");
    }
}

#[test]
fn a_user_whose_name_was_not_read_is_nobody() {
    let settings = json!({"user_header": "X-User"});
    assert_eq!(user(&settings, ("x-user", "Zoë"), None).as_deref(), Some("Zoë"));
    assert_eq!(user(&settings, ("x-user", "Zo\u{fffd}"), None), None);
}

fn token(header: &Value, claims: &Value, key: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let tag = URL_SAFE_NO_PAD.encode(sign(key, &[signed.as_bytes()]));
    format!("{signed}.{tag}")
}

#[test]
fn a_token_of_hs256_is_believed_where_everything_of_it_holds() {
    let settings = json!({"user_jwt": {
        "cookie": "session", "alg": "HS256", "claim": "sub", "iss": "https://shop.example", "aud": "edge"}});
    let head = json!({"alg": "HS256", "typ": "JWT"});
    // why: the time of the tests is 2026-11-21T12:00:00Z
    let now = crate::support::now() / 1000;
    let claims = |more: Value| {
        with(json!({"sub": "u-1", "iss": "https://shop.example", "aud": ["app", "edge"], "exp": now + 60}), more)
    };
    let cookie = |token: &str| format!("session={token}");
    let good = token(&head, &claims(json!({})), KEY);
    assert_eq!(user(&settings, ("cookie", &cookie(&good)), Some(KEY)).as_deref(), Some("u-1"));
    let cases = [
        ("another key", token(&head, &claims(json!({})), b"other")),
        ("expired", token(&head, &claims(json!({"exp": now})), KEY)),
        ("an expiry that is none", token(&head, &claims(json!({"exp": "soon"})), KEY)),
        ("not yet", token(&head, &claims(json!({"nbf": now + 3_600})), KEY)),
        ("another issuer", token(&head, &claims(json!({"iss": "https://evil.example"})), KEY)),
        ("another audience", token(&head, &claims(json!({"aud": "app"})), KEY)),
        ("an address", token(&head, &claims(json!({"sub": "jane@shop.example"})), KEY)),
        ("no algorithm", token(&json!({"alg": "none"}), &claims(json!({})), KEY)),
        ("another algorithm", token(&json!({"alg": "RS256"}), &claims(json!({})), KEY)),
        ("an extension", token(&json!({"alg": "HS256", "crit": ["b64"]}), &claims(json!({})), KEY)),
        ("a part missing", good.rsplit_once('.').unwrap().0.to_owned()),
        ("no signature", format!("{}.", good.rsplit_once('.').unwrap().0)),
        ("nothing", String::new()),
    ];
    for (what, token) in cases {
        assert_eq!(user(&settings, ("cookie", &cookie(&token)), Some(KEY)), None, "{what}");
    }
    assert_eq!(user(&settings, ("cookie", &cookie(&good)), None), None, "no key");
    let key = URL_SAFE_NO_PAD.encode(KEY);
    let in_header = json!({"user_jwt": {
        "header": "Authorization", "alg": "HS256", "claim": "uid", "key": {"kty": "oct", "k": key}}});
    let number = token(&head, &json!({"uid": 42}), KEY);
    assert_eq!(user(&in_header, ("authorization", &format!("Bearer {number}")), None).as_deref(), Some("42"));
}

/// Claims as somebody may write them: what is there twice counts as it does for everybody, and a number that is no whole one
/// names nobody.
#[test]
fn claims_are_read_as_everybody_reads_them() {
    let settings = json!({"user_jwt": {"cookie": "session", "alg": "HS256"}});
    let by = |header: &str, claims: &str| {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(sign(KEY, &[signed.as_bytes()])));
        user(&settings, ("cookie", &format!("session={token}")), Some(KEY))
    };
    let head = r#"{"alg":"HS256"}"#;
    assert_eq!(by(r#"{"alg":"none","alg":"HS256"}"#, r#"{"sub":"u-1"}"#).as_deref(), Some("u-1"));
    assert_eq!(by(r#"{"alg":"HS256","alg":"none"}"#, r#"{"sub":"u-1"}"#), None);
    assert_eq!(by(r#"{"alg":"HS256","cr\u0069t":null}"#, r#"{"sub":"u-1"}"#), None);
    assert_eq!(by(r#"["HS256"]"#, r#"{"sub":"u-1"}"#), None);
    assert_eq!(by(head, r#"{"sub":"u-1","sub":"u-2"}"#).as_deref(), Some("u-2"));
    assert_eq!(by(head, r#" {"sub":"\u0075-1", "more": [{"x": [1.5e3, null]}]} "#).as_deref(), Some("u-1"));
    for (number, named) in [
        ("42", Some("42")),
        ("-7", Some("-7")),
        ("18446744073709551615", Some("18446744073709551615")),
        ("18446744073709551616", None),
        ("-9223372036854775809", None),
        ("-0", None),
        ("1.0", None),
        ("1e2", None),
        ("007", None),
        ("true", None),
    ] {
        assert_eq!(by(head, &format!("{{\"sub\":{number}}}")).as_deref(), named, "{number}");
    }
    let seconds = crate::support::now() / 1000;
    for (time, holds) in [
        (format!("{}", seconds + 60), true),
        (format!("{}.5", seconds + 60), true),
        ("1.9e12".to_owned(), true),
        ("1e400".to_owned(), false),
        ("-1".to_owned(), false),
        ("null".to_owned(), false),
        (format!("\"{}\"", seconds + 60), false),
    ] {
        assert_eq!(by(head, &format!("{{\"sub\":\"u-1\",\"exp\":{time}}}")).is_some(), holds, "{time}");
    }
}
