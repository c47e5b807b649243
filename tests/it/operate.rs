//! Actions from the pages of results, as changes of texts; and what forms and links are signed with.

use crate::support::{running, shop, with};
use serde_json::{Map, Value, json};
use sortition_engine::document::{Problem, Timestamp};
use sortition_engine::operate::{Acted, Action, Asked, Live, SignedForm, act, confirms, share, shares};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn config() -> String {
    let hero = running("hero", json!({"traffic": 50, "ramp": [{"at": "2027-01-01T00:00:00Z", "traffic": 100}]}));
    serde_json::to_string_pretty(&shop(&[hero, with(running("nav", json!({})), json!({"status": "draft"}))])).unwrap()
}

fn asked(action: Action, id: &str, arguments: Value, in_git: bool) -> Result<Acted, Vec<Problem>> {
    let nothing = Map::new();
    let arguments = arguments.as_object().unwrap_or(&nothing);
    let live = Live { config: &config(), kill: Some("{\"experiments\":[\"nav\"]}"), guard: None };
    act(live, &Asked { action, id, arguments, who: " Mia\u{7} ", now: at("2026-11-27T02:00:00Z"), in_git })
}

#[track_caller]
fn done(action: Action, id: &str, arguments: Value) -> Acted {
    asked(action, id, arguments, false).unwrap_or_else(|problems| panic!("{}", problems[0]))
}

#[test]
fn words_and_actions_are_each_others() {
    for (word, action) in Action::ALL {
        assert_eq!((Action::of(word), action.word()), (Some(action), word));
    }
    assert_eq!(Action::of("Kill"), None);
}

#[test]
fn a_ramp_is_a_small_change_with_a_note() {
    let acted = done(Action::Ramp, "hero", json!({"percent": "12.5"}));
    let text = acted.config.unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&value["experiments"][0]["traffic"], value["experiments"][0].get("ramp")), (&json!(12.5), None));
    let same = |line: &&str| config().lines().any(|other| other.trim_end_matches(',') == line.trim_end_matches(','));
    assert_eq!(text.lines().filter(|line| !same(line)).count(), 2, "traffic and revision: {text}");
    let (key, entry) = acted.audit;
    let entry: Value = serde_json::from_str(&entry).unwrap();
    assert_eq!(key, format!("audit:2026-11-27T02:00:00.000Z:{}", acted.revision));
    assert_eq!((&entry["who"], &entry["action"], &entry["from"]), (&json!("Mia"), &json!("ramp"), &json!("1")));
}

/// While it is not running a winner would give everybody the control.
#[test]
fn what_ships_is_on() {
    let shipped = done(Action::Decide, "nav", json!({"what": "ship", "variant": "bold", "why": "It sells more."}));
    let value: Value = serde_json::from_str(&shipped.config.unwrap()).unwrap();
    let nav = &value["experiments"][1];
    assert_eq!((&nav["winner"], &nav["status"]), (&json!("bold"), &json!("running")));
}

#[test]
fn git_keeps_its_document_without_a_revision_of_ours() {
    let acted = asked(Action::Ramp, "hero", json!({"percent": 75}), true).unwrap();
    let value: Value = serde_json::from_str(&acted.config.unwrap()).unwrap();
    assert_eq!((&value["revision"], acted.revision.as_str()), (&json!("1"), "1"));
}

#[test]
fn the_switch_knows_what_else_is_killed() {
    let acted = done(Action::Kill, "hero", json!({}));
    assert_eq!(acted.kill, Some(Some(json!({"experiments": ["nav", "hero"]}))));
    assert_eq!(acted.config, None);
    assert_eq!(done(Action::Lift, "nav", json!({})).kill, Some(None));
    assert!(done(Action::Lift, "hero", json!({})).unchanged);
}

/// Workers go on with the document before, of which something may have to be stopped.
#[test]
fn what_is_live_need_not_be_readable_to_stop_something() {
    let act = |action, id: &str| {
        let live = Live { config: "{ broken", kill: None, guard: None };
        act(
            live,
            &Asked { action, id, arguments: &Map::new(), who: "Mia", now: at("2026-11-27T02:00:00Z"), in_git: false },
        )
    };
    let acted = act(Action::Kill, "hero").unwrap_or_else(|problems| panic!("{}", problems[0]));
    assert_eq!(acted.kill, Some(Some(json!({"experiments": ["hero"]}))));
    assert_eq!((acted.check.len(), acted.revision.as_str()), (1, "unknown"));
    assert_eq!(act(Action::Kill, "../hero").unwrap_err()[0].path, "id");
    assert!(act(Action::Pause, "hero").is_err());
}

/// What `push` would refuse.
#[test]
fn what_is_risky_is_not_turned_on_without_approvals() {
    let resumed = |more: Value| {
        let risky = running("risky", with(json!({"status": "draft", "risk": "high"}), more));
        let config = with(shop(&[risky]), json!({"policy": {"approvals": 1}})).to_string();
        let live = Live { config: &config, kill: None, guard: None };
        let (arguments, now) = (Map::new(), at("2026-11-27T02:00:00Z"));
        act(live, &Asked { action: Action::Resume, id: "risky", arguments: &arguments, who: "Mia", now, in_git: false })
    };
    assert_eq!(resumed(json!({})).unwrap_err()[0].path, "experiments[0].approvals");
    assert!(resumed(json!({"approvals": ["tom"]})).is_ok());
    assert!(resumed(json!({"status": "paused"})).is_ok(), "what a push let through");
}

#[test]
fn what_cannot_be_done_says_why() {
    let why = |action, id: &str, arguments: Value| asked(action, id, arguments, false).unwrap_err()[0].path.clone();
    assert_eq!(why(Action::Ramp, "hero", json!({"percent": -1})), "percent");
    assert_eq!(why(Action::Ramp, "gone", json!({"percent": 1})), "id");
    assert_eq!(why(Action::Ramp, "../hero", json!({"percent": 1})), "id");
    assert_eq!(why(Action::Pause, "nav", json!({})), "status");
    assert_eq!(why(Action::Decide, "hero", json!({"what": "keep", "why": " "})), "why");
    assert_eq!(why(Action::Comment, "hero", json!({"text": "x".repeat(3_000)})), "text");
    let nobody = Asked {
        action: Action::Kill,
        id: "hero",
        arguments: &Map::new(),
        who: "\u{7}\n \u{7}",
        now: at("2026-11-27T02:00:00Z"),
        in_git: false,
    };
    let live = Live { config: &config(), kill: None, guard: None };
    assert_eq!(act(live, &nobody).unwrap_err()[0].path, "who", "of these characters nothing is left in a note");
    assert_eq!(why(Action::Draft, "nav", json!({"experiment": {}})), "id");
    assert_eq!(why(Action::Draft, "new", json!({"experiment": {"id": "other"}})), "experiment");
}

#[test]
fn a_form_is_good_for_one_thing_and_for_a_while() {
    let form = SignedForm { secret: "s", id: "hero", action: "kill", content: "" };
    let token = form.token(1_000);
    assert!(form.has(&token, 1_000) && form.has(&token, 4_600));
    assert!(!form.has(&token, 4_601) && !form.has(&token, 900));
    for other in [
        SignedForm { id: "nav", ..form },
        SignedForm { action: "lift", ..form },
        SignedForm { secret: "t", ..form },
        SignedForm { content: "{}", ..form },
        SignedForm { id: "her", action: "okill", ..form },
    ] {
        assert!(!other.has(&token, 1_000), "{other:?}");
    }
    let confirmation = SignedForm { content: "{}", ..form };
    assert!(confirmation.has(&confirmation.token(0), 300) && !confirmation.has(&confirmation.token(0), 301));
    for wrong in ["", ".", "1000", "1000.", "x.y", "9223372036854775807.00", "-1.00"] {
        assert!(!form.has(wrong, 1_000), "{wrong}");
    }
    for respelled in [format!("+{token}"), format!("000{token}"), format!("{token}0"), token.to_uppercase()] {
        assert!(!form.has(&respelled, 1_000), "{respelled}: of one confirmation there is one spelling");
    }
}

#[test]
fn a_link_is_good_for_one_experiment_until_its_end() {
    let link = share("s", "hero", 1_000);
    assert!(shares("s", "hero", &link, 999));
    assert!(!shares("s", "hero", &link, 1_000) && !shares("s", "nav", &link, 0) && !shares("t", "hero", &link, 0));
    assert!(!shares("s", "hero", &link.replace("1000.", "2000."), 0) && !shares("s", "hero", &format!("0{link}"), 0));
    assert!(!shares("", "hero", &share("", "hero", 1_000), 0), "no secret, no link");
    assert!(confirms("s", "s") && !confirms("s", "t") && !confirms("", ""));
}
