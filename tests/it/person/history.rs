//! A shop's life at random: a document that changes, and people who come, log in, log out, and use several devices.

use super::model::Memory;
use crate::support::{Browser, Random, compile};
use serde_json::{Value, json};
use sortition_engine::decide::{Decision, Reason};
use sortition_engine::document::UnitKind;
use sortition_engine::plan::{ExperimentAt, Kill, Plan};
use std::collections::BTreeMap;

const USERS: [&str; 3] = ["u-anna", "u-ben", "u-carla"];
pub(super) const PAGES: [&str; 2] = ["https://shop.example/", "https://shop.example/cart"];

pub(crate) struct History {
    pub(crate) document: Value,
    pub(crate) killed: Vec<String>,
    pub(crate) kill_all: bool,
    pub(crate) browsers: Vec<(Browser, Memory)>,
    pub(crate) at: usize,
    pub(crate) random: Random,
    /// What came up, and how often.
    pub(crate) met: BTreeMap<&'static str, u32>,
    /// What happened, for whoever looks at a failure.
    pub(crate) log: Vec<String>,
}

fn experiment(random: &mut Random, number: usize) -> Value {
    let chance = |random: &mut Random, percent: usize| random.below(100) < percent;
    let (unit, else_unit) = match random.below(6) {
        0 | 1 => ("visitor", None),
        2 => ("user", None),
        3 | 4 => ("user", Some("visitor")),
        _ => ("session", None),
    };
    let traffic = [100, 100, 60][random.below(3)];
    let mut e = json!({
        "id": format!("e{number}"), "status": "running", "unit": unit, "traffic": traffic,
        "priority": random.below(3), "else_unit": else_unit,
        "variants": [{"id": "control", "weight": 1 + random.below(3)}, {"id": "bold", "weight": 1 + random.below(3)}],
    });
    // why: two of three stand in one layer, whose slots they share without overlapping
    if number < 3 {
        e["layer"] = json!("l");
        e["slots"] = json!([number * 3_000, (number + 1) * 3_000]);
    }
    if chance(random, 30) {
        e["audience"] = [json!({"visitor_type": "new"}), json!({"country": "US"}), json!({"query.campaign": "mail"})]
            [random.below(3)]
        .clone();
    }
    if chance(random, 25) {
        e["conflicts"] = json!(["area"]);
    }
    if number == 5 && chance(random, 60) {
        e["requires"] = json!([{"experiment": "e3", "variant": "bold"}]);
    }
    if chance(random, 40) {
        let page = ["/", "/cart"][random.below(2)];
        e["pages"] = json!([page]);
    }
    e
}

impl History {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9));
        let experiments: Vec<Value> = (0..3 + random.below(4)).map(|number| experiment(&mut random, number)).collect();
        let has_e3 = experiments.len() > 3;
        let mut experiments = experiments;
        if !has_e3 {
            experiments.iter_mut().for_each(|e| drop(e.as_object_mut().unwrap().remove("requires")));
        }
        let (of_layer, percent) = ([0, 0, 15][random.below(3)], [0, 0, 20, 50][random.below(4)]);
        let document = json!({
            "version": 1, "project": format!("shop-{seed}"), "revision": "1", "experiments": experiments,
            "visitor": {"user_cookie": "user"}, "layers": {"l": {"holdout": of_layer}},
            "holdout": {"percent": percent},
            "consent": {"cookie": "consent", "granted": ["yes"]},
        });
        let mut history = Self {
            document,
            killed: Vec::new(),
            kill_all: false,
            browsers: Vec::new(),
            at: 0,
            random,
            met: BTreeMap::new(),
            log: Vec::new(),
        };
        history.new_device();
        history.visit();
        history
    }

    pub(crate) fn plan(&self) -> Plan {
        let mut plan = compile(&self.document);
        let kill = json!({"all": self.kill_all, "experiments": self.killed});
        plan.apply(&Kill::parse(&kill.to_string()).unwrap());
        plan
    }

    fn new_device(&mut self) {
        let mut browser = Browser::new(self.random.next());
        browser.cookies.insert("consent".to_owned(), "yes".to_owned());
        browser.cookies.insert("sortition_id".to_owned(), self.random.uuid());
        self.browsers.push((browser, Memory::default()));
        self.at = self.browsers.len() - 1;
    }

    fn experiment(&mut self) -> &mut Value {
        let number = self.random.below(self.document["experiments"].as_array().unwrap().len());
        &mut self.document["experiments"][number]
    }

    /// One random thing happens.
    pub(crate) fn step(&mut self) {
        let what = self.random.below(20);
        let roll = self.random.below(4);
        let at = self.at;
        match what {
            0..=2 => {
                let user = USERS[self.random.below(3)].to_owned();
                self.browsers[at].0.cookies.insert("user".to_owned(), user);
            }
            3 | 4 => drop(self.browsers[at].0.cookies.remove("user")),
            5 if self.browsers.len() < 4 => self.new_device(),
            5 | 6 => self.at = self.random.below(self.browsers.len()),
            7 => {
                self.browsers[at].0.restart();
                *self.met.entry("session ended").or_insert(0) += 1;
            }
            8 | 9 => {
                let weights = [[1, 9], [9, 1], [0, 1], [1, 0]][roll];
                let e = self.experiment();
                e["variants"][0]["weight"] = json!(weights[0]);
                e["variants"][1]["weight"] = json!(weights[1]);
            }
            10 => {
                let percent = [0, 10, 50, 100][roll];
                self.experiment()["traffic"] = json!(percent);
            }
            11 => {
                let ramp = [json!([]), json!([{"at": "2026-11-20T00:00:00Z", "traffic": 5}])][roll % 2].clone();
                self.experiment()["ramp"] = ramp;
            }
            12 => {
                let percent = [0, 10, 40, 90][roll];
                self.document["holdout"]["percent"] = json!(percent);
            }
            13 => {
                // why: the borders move, the membership stays: what stood in no layer together is kept together
                let bounds = [
                    [0, 3_000, 6_000, 9_000],
                    [0, 500, 1_000, 10_000],
                    [0, 8_000, 9_000, 9_500],
                    [2_000, 3_000, 4_000, 10_000],
                ][roll];
                for number in 0..3 {
                    self.document["experiments"][number]["slots"] = json!([bounds[number], bounds[number + 1]]);
                }
            }
            14 => {
                let audience =
                    [json!({"country": "US"}), json!({"country": "DE"}), json!({}), json!({"visitor_type": "new"})]
                        [roll]
                        .clone();
                self.experiment()["audience"] = audience;
            }
            15 => {
                let country = ["US", "DE"][roll % 2];
                let browser = &mut self.browsers[at].0;
                browser.sent = browser.sent.clone().property("country", country);
            }
            16 => {
                let id = self.experiment()["id"].as_str().unwrap().to_owned();
                if self.killed.contains(&id) {
                    self.killed.retain(|other| *other != id);
                } else {
                    self.killed.push(id);
                }
            }
            17 => self.kill_all = !self.kill_all && roll == 0,
            18 => {
                let e = self.experiment();
                let status = if e["status"] == "running" { "paused" } else { "running" };
                e["status"] = json!(status);
            }
            _ => {
                let consent = if self.browsers[at].0.cookies["consent"] == "yes" { "no" } else { "yes" };
                self.browsers[at].0.cookies.insert("consent".to_owned(), consent.to_owned());
            }
        }
        self.log.push(format!("{what}/{roll} on {}", self.at));
    }

    /// The person in front of the browser looks at every page, and the laws are asked of what they get.
    pub(crate) fn visit(&mut self) {
        let plan = self.plan();
        for page in PAGES {
            let (browser, memory) = &mut self.browsers[self.at];
            let user = browser.cookies.get("user").cloned();
            let mut stranger = Browser { now: browser.now, sent: browser.sent.clone(), ..Browser::new(1) };
            stranger.cookies.clone_from(&browser.cookies);
            stranger.cookies.remove("sortition_as");
            let anew = stranger.visit(&plan, page).0.decisions;
            let (intent, reply) = browser.visit(&plan, page);
            let consents = browser.cookies["consent"] == "yes";
            let session = intent.visitor().and_then(|it| it.session.as_ref()).map(|(id, _)| id.to_string());
            let exposed: Vec<ExperimentAt> = reply.exposed.iter().map(|&at| intent.decisions[at].experiment).collect();
            self.log.push(format!("{user:?} {page} {}", intent.told_client));
            let decisions = &intent.decisions;
            let seen = Seen { plan: &plan, decisions, anew: &anew, exposed: &exposed, user, session, consents };
            memory.check(&seen, &mut self.met, &self.log);
        }
    }
}

/// What one page view brought.
pub(crate) struct Seen<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) decisions: &'a [Decision],
    /// What would have been decided for somebody without a past.
    pub(crate) anew: &'a [Decision],
    pub(crate) exposed: &'a [ExperimentAt],
    pub(crate) user: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) consents: bool,
}

impl Seen<'_> {
    /// Whether an experiment is of users.
    pub(crate) fn is_of_users(&self, experiment: ExperimentAt) -> bool {
        self.plan.experiments.get(experiment).unwrap().unit == UnitKind::User
    }

    pub(crate) fn acts(reason: Reason) -> bool {
        matches!(reason, Reason::Sticky | Reason::Split)
    }
}
