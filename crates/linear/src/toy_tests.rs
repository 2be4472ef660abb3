//! Both checks accept what a correct server does, and each of them finds each fault.

use crate::history::{Ask, History, Op, Said, Terms};
use crate::order::Order;
use crate::toy::{Fault, play};
use crate::{by_lsn, search};
use onrush::State;

const SEEDS: u64 = 300;

fn by_lsn_holds(history: &History, order: &Order) -> bool {
    by_lsn::check(history, order).holds()
}

fn search_holds(history: &History) -> bool {
    let check = search::check(history);
    assert!(check.looked_at > 0, "nothing was searched");
    check.violations == 0
}

#[test]
fn a_correct_server_is_linearizable() {
    for seed in 0..SEEDS {
        let (history, order) = play(seed, None);
        let by_lsn = by_lsn::check(&history, &order);
        assert!(by_lsn.holds(), "seed {seed}:\n{by_lsn}");
        let search = search::check(&history);
        assert_eq!(search.violations, 0, "seed {seed}:\n{}", search.examples.join("\n"));
        assert_eq!(search.looked_at, 3);
    }
}

#[test]
fn the_toy_meets_everything() {
    let (mut crashes, mut open, mut refused, mut expired, mut again) = (0, 0, 0, 0, 0);
    for seed in 0..SEEDS {
        let (history, order) = play(seed, None);
        crashes += history.crashes.len();
        for op in &history.ops {
            match &op.heard {
                None => open += 1,
                Some((_, Said::NoUnits | Said::Limit)) => refused += 1,
                Some((_, Said::Expired)) => expired += 1,
                Some(_) => {}
            }
        }
        let retaken = |pair: &&[u64]| {
            let states = pair.iter().map(|&lsn| order.at(lsn).expect("an entry").state);
            states.eq([State::Expired, State::Sold])
        };
        let all = (0..order.entries().len() as u32).map(|n| order.of(n));
        again += all.map(|of| of.windows(2).filter(retaken).count()).sum::<usize>();
    }
    let reached = [crashes, open, refused, expired, again];
    assert!(reached.iter().all(|&count| count > 20), "{reached:?}");
}

#[test]
fn each_fault_is_found_by_each_check() {
    for fault in Fault::ALL {
        let found = |holds: &dyn Fn(&History, &Order) -> bool| {
            (0..SEEDS).find(|&seed| {
                let (history, order) = play(seed, Some(fault));
                !holds(&history, &order)
            })
        };
        assert!(found(&by_lsn_holds).is_some(), "{fault:?} is not found through the LSN");
        assert!(found(&|history, _| search_holds(history)).is_some(), "{fault:?}: not by search");
    }
}

/// The answers of a correct server, one of them altered at a time.
#[test]
fn each_altered_answer_is_found_by_each_check() {
    let (history, order) = play(7, None);
    assert!(by_lsn_holds(&history, &order) && search_holds(&history));
    let (mut altered, mut by_lsn, mut search) = (0, 0, 0);
    for n in 0..history.ops.len() {
        let mut history = history.clone();
        let Some((_, said)) = &mut history.ops[n].heard else { continue };
        // Another state of the same reservation, at the same LSN.
        let Said::Is { state, .. } = said else { continue };
        *state = if *state == State::Held { State::Sold } else { State::Held };
        altered += 1;
        by_lsn += u32::from(!by_lsn_holds(&history, &order));
        search += u32::from(!search_holds(&history));
    }
    assert!(altered > 10);
    assert_eq!(by_lsn, altered);
    // While a change is under way the search may place it before or after what is told.
    assert!(search * 4 > altered * 3, "{search} of {altered}");
}

#[test]
fn swapped_lsns_are_found_through_the_lsn() {
    let (history, order) = play(11, None);
    let answers: Vec<usize> = (0..history.ops.len())
        .filter(|&n| matches!(history.ops[n].heard, Some((_, Said::Is { new: true, .. }))))
        .collect();
    for pair in answers.windows(2) {
        let mut history = history.clone();
        let lsn_of = |history: &mut History, n: usize, to: Option<u64>| {
            let Some((_, Said::Is { lsn, .. })) = &mut history.ops[n].heard else {
                panic!("chosen")
            };
            std::mem::replace(lsn, to.unwrap_or(*lsn))
        };
        let (a, b) = (lsn_of(&mut history, pair[0], None), lsn_of(&mut history, pair[1], None));
        lsn_of(&mut history, pair[0], Some(b));
        lsn_of(&mut history, pair[1], Some(a));
        assert!(!by_lsn_holds(&history, &order));
    }
    assert!(answers.len() > 2);
}

#[test]
fn an_answer_sent_before_a_crash_may_be_heard_after_it() {
    let mut history = History::default();
    let sku = history.sku(Terms { supply: 1, limit: 1, hold_us: 1_000 });
    let reserve = |history: &mut History, buyer| {
        let called = history.moment(0);
        let (key, ask) = (buyer, Ask::Reserve);
        history.call(Op { sku, buyer, key, quantity: 1, ask, called, heard: None })
    };
    // The first takes the unit and is never answered; the second is refused while it has it.
    reserve(&mut history, 0);
    let refused = reserve(&mut history, 1);
    history.crash(1);
    history.hear(refused, 2, Said::NoUnits);
    assert!(by_lsn_holds(&history, &Order::default()));
    assert!(search_holds(&history));
    let after = reserve(&mut history, 2);
    history.hear(after, 3, Said::NoUnits);
    assert!(!by_lsn_holds(&history, &Order::default()), "the unit was free by then");
}
