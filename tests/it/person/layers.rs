//! A million people in a layer of experiments of visitors, of users, and of users who are visitors until they log in.

use crate::support::{Random, compile, decide_for, experiment_at, now, running, shop, with};
use serde_json::json;
use sortition_engine::execution::assigned;
use sortition_engine::facts::Person;
use sortition_engine::plan::{Plan, Position};
use sortition_engine::visitor::assignments::Assignments;
use sortition_engine::visitor::{Consented, Visitor, VisitorId};

const PEOPLE: u64 = 1_000_000;

/// Who uses the browser, visit by visit; `None`: nobody is logged in.
const VISITS: [[Option<usize>; 6]; 4] = [
    [None, Some(0), None, Some(1), None, Some(0)],
    [Some(0), None, Some(1), Some(0), None, Some(1)],
    [None, Some(0), Some(1), None, Some(1), Some(0)],
    [Some(0), Some(1), None, None, Some(0), None],
];

fn layer() -> Plan {
    let part = |id: &str, slots: [u32; 2], more| running(id, with(json!({"layer": "l", "slots": slots}), more));
    let experiments = [
        part("visitors", [0, 3_000], json!({})),
        part("users", [3_000, 6_000], json!({"unit": "user"})),
        part("either", [6_000, 8_000], json!({"unit": "user", "else_unit": "visitor"})),
        part("later", [8_000, 10_000], json!({"priority": 2})),
    ];
    compile(&with(shop(&experiments), json!({"layers": {"l": {}}})))
}

#[test]
fn of_a_million_people_nobody_is_in_two_experiments_of_a_layer() {
    let plan = layer();
    let counts: Vec<[u64; 5]> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|half| {
                scope.spawn({
                    let plan = &plan;
                    move || follow(plan, half)
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let total = |place: usize| counts.iter().map(|counts| counts[place]).sum::<u64>();
    for place in 0..4 {
        assert!(total(place) > PEOPLE / 5, "{counts:?}: each experiment has people");
    }
    assert!(total(4) > PEOPLE / 10, "{counts:?}: many would have been in a second one");
}

fn follow(plan: &Plan, half: u64) -> [u64; 5] {
    let mut counts = [0; 5];
    let mut random = Random(half);
    for person in 0..PEOPLE / 2 {
        let id = random.uuid();
        let users = [format!("a{half}-{person}"), format!("b{half}-{person}")];
        let mut assignments = Assignments::default();
        for who in VISITS[random.below(4)] {
            let user = who.map(|who| users[who].as_str());
            // why: not every page has every experiment
            let page: Vec<usize> = (0..4).filter(|_| random.below(3) > 0).collect();
            let asker = Person { user, session: None, ..Person::with_id(&id, &assignments) };
            let decisions = decide_for(plan, &page, asker);
            let acting: Vec<usize> =
                decisions.iter().filter(|it| it.reason.acts()).map(|decision| decision.experiment.number()).collect();
            assert!(acting.len() <= 1, "{id} {user:?} is in {acting:?}");
            acting.iter().for_each(|&experiment| counts[experiment] += 1);
            counts[4] += decisions.iter().filter(|it| it.evidence.other.is_some()).count() as u64;
            let visitor = Visitor {
                id: VisitorId::accept(&id).unwrap(),
                returning: true,
                user: user.map(str::to_owned),
                session: None,
                assignments,
                handover: None,
                consent: Consented::All,
                unproven: None,
            };
            assignments = assigned(plan, &decisions, &visitor, now());
            // why: also what is not on this page is nobody's second one
            let marks = asker_of(&visitor);
            let kept = (0..4).filter(|&e| marks.kept(plan, experiment_at(e), &assignments, now()).is_some()).count();
            assert!(kept <= 1, "{id} {user:?} keeps {kept}");
        }
    }
    counts
}

fn asker_of(visitor: &Visitor) -> sortition_engine::visitor::Marks {
    sortition_engine::visitor::Marks::new(visitor.user.as_deref(), None)
}
