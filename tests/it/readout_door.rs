//! The way into the readout, and which page a request is for.

use serde_json::json;
use sortition_engine::document::Document;
use sortition_engine::operate::Action;
use sortition_engine::readout::{Door, Entry, Form, Route, Subject, Tokens, csv};

#[test]
fn the_token_opens_as_password_and_as_bearer() {
    // Basic: base64 of `name:the token`, `:the token` and `the token`
    for (sent, expected) in [
        (Some("Bearer the token"), Entry::Welcome),
        (Some("bearer  the token"), Entry::Welcome),
        (Some("Basic bmFtZTp0aGUgdG9rZW4="), Entry::Welcome),
        (Some("BASIC OnRoZSB0b2tlbg=="), Entry::Welcome),
        (Some("Basic dGhlIHRva2Vu"), Entry::Wrong(300)),
        (Some("Basic %%%"), Entry::Wrong(300)),
        (Some("Basic /////w=="), Entry::Wrong(300)),
        (Some("Digest the token"), Entry::Wrong(300)),
        (Some("Bearer the token "), Entry::Welcome),
        (Some("Bearer the tokem"), Entry::Wrong(300)),
        (Some("Bearer"), Entry::Unknown),
        (None, Entry::Unknown),
    ] {
        assert_eq!(Door::default().enter(sent, "the token", 0), expected, "{sent:?}");
    }
    assert_eq!(Door::default().enter(Some("Bearer "), "", 0), Entry::Unknown);
    assert_eq!(Door::default().enter(Some("Basic Og=="), "", 0), Entry::Wrong(300), "an empty secret is none");
}

#[test]
fn whoever_guesses_waits_longer_each_time_until_they_are_forgiven() {
    let mut door = Door::default();
    let mut wrong = |now| door.enter(Some("Bearer guess"), "the token", now);
    let waits: Vec<Entry> = (0..12).map(|try_| wrong(try_ * 1000)).collect();
    assert_eq!(waits[..3], [Entry::Wrong(300), Entry::Wrong(600), Entry::Wrong(900)]);
    assert_eq!(waits[9..], [Entry::Wrong(3000); 3]);
    assert_eq!(wrong(11_000 + 300_001), Entry::Wrong(300), "forgiven after five minutes");
    assert_eq!(wrong(400_000), Entry::Wrong(600));
    assert_eq!(door.enter(Some("Bearer the token"), "the token", 400_000), Entry::Welcome);
    assert_eq!(door.enter(Some("Bearer guess"), "the token", 400_001), Entry::Wrong(300), "a right one forgives");
}

#[test]
fn every_path_is_one_page_or_a_problem() {
    let named = |id: &str, form| Route::Named { id: id.to_owned(), form };
    let status = |route: &Route| if let Route::Problem { status, .. } = route { *status } else { 0 };
    let tokens = Tokens { admin: true, operator: false };
    for (path, expected) in [
        ("", Route::List { form: Form::Html }),
        (".json", Route::List { form: Form::Json }),
        ("/hero", named("hero", Form::Html)),
        ("/hero.json", named("hero", Form::Json)),
        ("/hero.csv", named("hero", Form::Csv)),
        ("/programme", named("programme", Form::Html)),
        ("/hero/screens/bold.png", Route::Picture { id: "hero".to_owned(), variant: "bold".to_owned() }),
    ] {
        for method in ["GET", "HEAD"] {
            assert_eq!(Route::of(method, &format!("/_sortition/experiments{path}"), tokens), expected, "{path}");
        }
    }
    for path in [
        ".csv",
        ".xml",
        "x",
        "/",
        "/Hero",
        "/hero.xml",
        "/hero.json.csv",
        "/hero/",
        "/hero/screens/bold.gif",
        "/../hero",
        "/hero/screens/../x.png",
        "/%68ero",
        "//hero",
    ] {
        for method in ["GET", "POST"] {
            let route = Route::of(method, &format!("/_sortition/experiments{path}"), tokens);
            assert_eq!(status(&route), 404, "{method} {path}");
        }
    }
}

/// What a path takes is said of every path: a GET of an action was answered 404, and a POST of a page "no such action".
#[test]
fn another_method_is_told_which_the_path_takes() {
    let both = Tokens { admin: true, operator: true };
    let at = |method: &str, place: &str, tokens| Route::of(method, &format!("/_sortition/experiments{place}"), tokens);
    let allowed = |route: &Route| match route {
        Route::Problem { status: 405, allow, .. } => allow.unwrap(),
        other => panic!("{other:?}"),
    };
    for place in ["", ".json", "/hero", "/hero.json", "/hero.csv", "/programme", "/hero/screens/bold.png"] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            assert_eq!(allowed(&at(method, place, both)), "GET, HEAD", "{method} {place}");
        }
    }
    for action in Action::ALL.map(|(word, _)| word).into_iter().chain(["share"]) {
        let place = format!("/hero/{action}");
        let expected = Route::Action { id: "hero".to_owned(), action: action.to_owned() };
        assert_eq!(at("POST", &place, both), expected);
        for method in ["GET", "HEAD", "PUT", "OPTIONS"] {
            assert_eq!(allowed(&at(method, &place, both)), "POST", "{method} {place}");
        }
    }
    let is_absent = |route: Route| matches!(route, Route::Problem { status: 404, .. });
    for method in ["GET", "POST"] {
        for place in ["/hero/stop", "/hero/Kill", "/hero/kill/", "/hero//kill", "/Hero/kill", "/hero/kill.json"] {
            assert!(is_absent(at(method, place, both)), "{method} {place}");
        }
    }
    let (people, tools) = (Tokens { operator: false, ..both }, Tokens { admin: false, ..both });
    for method in ["GET", "POST"] {
        assert!(is_absent(at(method, "/hero/kill", people)), "without OPERATOR_TOKEN there are no actions");
        assert!(is_absent(at(method, "/hero", tools)), "without ADMIN_TOKEN there are no pages");
        assert!(is_absent(at(method, ".json", Tokens::default())));
    }
    assert_eq!(at("GET", "/hero.json", tools), Route::Named { id: "hero".to_owned(), form: Form::Json });
}

#[test]
fn an_experiment_comes_before_the_pages_about_all() {
    let of = |ids: &[&str]| {
        let variants = json!([{"id": "control", "weight": 1}, {"id": "bold", "weight": 1}]);
        let experiments: Vec<_> =
            ids.iter().map(|id| json!({"id": id, "kind": if *id == "flag" { "release" } else { "experiment" }, "status": "running", "variants": variants})).collect();
        Document::parse(&json!({"version": 1, "project": "shop", "experiments": experiments}).to_string()).unwrap()
    };
    let (plain, taken) = (of(&["hero", "flag"]), of(&["holdout", "programme"]));
    for (document, name, form, expected) in [
        (&plain, "hero", Form::Html, Subject::Experiment),
        (&plain, "flag", Form::Html, Subject::Archived),
        (&plain, "holdout", Form::Json, Subject::Holdout),
        (&plain, "programme", Form::Html, Subject::Programme),
        (&plain, "programme", Form::Json, Subject::Archived),
        (&plain, "interactions", Form::Html, Subject::Interactions),
        (&plain, "gone", Form::Html, Subject::Archived),
        (&taken, "holdout", Form::Html, Subject::Experiment),
        (&taken, "programme", Form::Html, Subject::Experiment),
    ] {
        assert_eq!(Subject::of(document, name, form), expected, "{name} {form:?}");
    }
}

#[test]
fn a_download_has_no_formula_and_tells_where_it_goes_on() {
    let rows = [vec![json!("2026"), json!("u1"), json!("=cmd"), json!("a\"b"), json!(null), json!(-12), json!("+1")]];
    let (lines, next) = csv::page(&rows).unwrap();
    assert_eq!(lines, "\"'=cmd\",\"a\"\"b\",,-12,\"'+1\"\r\n");
    assert_eq!(next, [json!("2026"), json!("u1")]);
    assert_eq!(csv::page(&[]), None);
    assert_eq!(csv::HEAD.matches(',').count(), 12);
}
