use super::*;
use proptest::prelude::*;

/// Every set of candidates, every greedy placement: obviously right and slow.
fn brute(problem: &Problem, must_use: Option<usize>) -> Option<Cost> {
    let mut best: Option<Cost> = None;
    for set in 0u32..1 << problem.candidates() {
        if set.count_ones() as usize > problem.split {
            continue;
        }
        let mut places: Vec<Option<usize>> = vec![None];
        if let Some(node) = must_use {
            if set & (1 << node) == 0 {
                continue;
            }
            places = (0..problem.lines)
                .filter(|&line| problem.available(node, line) > 0)
                .map(Some)
                .collect();
        }
        for forced_line in places {
            for unfilled_allowed in [false, true] {
                let cost = place_all(problem, set, must_use.zip(forced_line), unfilled_allowed);
                best = best.into_iter().chain(cost).min();
            }
        }
    }
    best
}

fn place_all(
    problem: &Problem,
    set: u32,
    forced: Option<(usize, usize)>,
    unfilled_allowed: bool,
) -> Option<Cost> {
    let mut total: Cost =
        (0..problem.candidates()).filter(|n| set & (1 << n) != 0).map(|n| problem.fixed(n)).sum();
    if unfilled_allowed {
        total += Cost(problem.unfilled_fixed);
    }
    for line in 0..problem.lines {
        let mut units: Vec<Cost> = Vec::new();
        let mut left = problem.need[line];
        for node in (0..problem.candidates()).filter(|n| set & (1 << n) != 0) {
            let mut have = problem.available(node, line);
            if forced == Some((node, line)) {
                total += problem.unit(node, line);
                (have, left) = (have - 1, left - 1);
            }
            units.extend((0..have).map(|_| problem.unit(node, line)));
        }
        if unfilled_allowed {
            units.extend((0..left).map(|_| Cost(problem.unfilled_unit)));
        }
        units.sort_unstable();
        if units.len() < left as usize {
            return None;
        }
        total += units[..left as usize].iter().copied().sum();
    }
    Some(total)
}

/// Rates are small so that ties happen.
fn problems(all_or_nothing: bool) -> impl Strategy<Value = Problem> {
    (1usize..=7, 1usize..=5, 1usize..=4).prop_flat_map(move |(nodes, lines, split)| {
        let need = prop::collection::vec(1u32..=4, lines);
        let fixed = prop::collection::vec(0i64..12, nodes);
        let offers = prop::collection::vec((0u32..=4, 0i64..9), nodes * lines);
        (need, fixed, offers, 0i64..20, 0i64..20).prop_map(
            move |(need, fixed, offers, unfilled_fixed, unfilled_unit)| {
                let mut problem = Problem::default();
                problem.reset(&need, split, Cost(unfilled_fixed), Cost(unfilled_unit));
                for fixed in &fixed {
                    problem.add_candidate(Cost(*fixed));
                }
                for (at, &(have, unit)) in offers.iter().enumerate() {
                    let (node, line) = (at / need.len(), at % need.len());
                    let have = if all_or_nothing && have < 2 { 0 } else { have };
                    let have = if all_or_nothing && have > 0 { need[line] } else { have };
                    problem.offer(node, line, have, Cost(unit));
                }
                problem
            },
        )
    })
}

fn solved(problem: &Problem) -> Decision {
    let mut decision = Decision::default();
    decide(problem, &mut Scratch::default(), &mut decision);
    decision
}

/// A plan that ships what was asked, from stock that exists, within the split limit.
fn assert_sound(problem: &Problem, decision: &Decision) {
    let mut placed = vec![0; problem.need.len()];
    for take in &decision.takes {
        let (node, line) = (usize::from(take.candidate), usize::from(take.line));
        assert!(take.units > 0 && take.units <= problem.available(node, line));
        placed[line] += take.units;
    }
    for &(line, units) in &decision.unfilled {
        assert!(units > 0);
        placed[usize::from(line)] += units;
    }
    assert_eq!(placed, problem.need);
    assert!(decision.used().count_ones() as usize <= problem.split);
    assert_eq!(problem.price(&decision.takes, &decision.unfilled), decision.cost);
    assert!(decision.root_bound <= decision.cost);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn whole_lines_match_brute_force(problem in problems(true)) {
        let decision = solved(&problem);
        assert_sound(&problem, &decision);
        prop_assert_eq!(decision.method, Method::Partition);
        prop_assert_eq!(Some(decision.cost), brute(&problem, None));
    }

    #[test]
    fn divided_lines_match_brute_force(problem in problems(false)) {
        let decision = solved(&problem);
        assert_sound(&problem, &decision);
        prop_assert_eq!(Some(decision.cost), brute(&problem, None));
    }

    #[test]
    fn both_methods_agree_on_cost_and_shipments(problem in problems(true)) {
        let mut searched = Decision::default();
        branch::solve(&problem, &mut branch::Search::default(), &mut searched);
        assert_sound(&problem, &searched);
        let decided = solved(&problem);
        prop_assert_eq!(searched.cost, decided.cost);
        prop_assert_eq!(searched.used().count_ones(), decided.used().count_ones());
    }

    #[test]
    fn a_loser_loses_by_exactly_what_brute_force_says(problem in problems(false)) {
        let mut scratch = Scratch::default();
        for node in 0..problem.candidates() {
            let with = best_with(&problem, node, &mut scratch);
            prop_assert_eq!(with.as_ref().map(|d| d.cost), brute(&problem, Some(node)));
            if let Some(with) = with {
                assert_sound(&problem, &with);
                prop_assert!(with.used() & (1 << node) != 0);
            }
            let without = best_without(&problem, node, &mut scratch);
            prop_assert!(without.used() & (1 << node) == 0);
            prop_assert!(without.cost >= solved(&problem).cost);
        }
    }

    #[test]
    fn permuting_candidates_keeps_cost_and_shipments(
        problem in problems(false),
        seed in any::<u64>(),
    ) {
        let mut order: Vec<usize> = (0..problem.candidates()).collect();
        order.sort_by_key(|&node| (node as u64 + 1).wrapping_mul(seed | 1).rotate_left(17));
        let mut permuted = Problem::default();
        let (fixed, unit) = (Cost(problem.unfilled_fixed), Cost(problem.unfilled_unit));
        permuted.reset(problem.need(), problem.split, fixed, unit);
        for &node in &order {
            let place = permuted.add_candidate(problem.fixed(node));
            for line in 0..problem.lines {
                let unit = problem.unit(node, line);
                permuted.offer(place, line, problem.available(node, line), unit);
            }
        }
        let (a, b) = (solved(&problem), solved(&permuted));
        prop_assert_eq!(a.cost, b.cost);
        prop_assert_eq!(a.used().count_ones(), b.used().count_ones());
    }

    #[test]
    fn more_stock_never_costs_more(problem in problems(false), at in any::<prop::sample::Index>()) {
        let place = at.index(problem.candidates() * problem.lines);
        let (node, line) = (place / problem.lines, place % problem.lines);
        let mut richer = problem.clone();
        let have = problem.available(node, line) + 1;
        richer.offer(node, line, have, problem.unit(node, line));
        prop_assert!(solved(&richer).cost <= solved(&problem).cost);
    }
}

#[test]
fn reused_memory_does_not_leak_into_the_next_decision() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut scratch, mut reused) = (Scratch::default(), Decision::default());
    for round in 0..500 {
        let tree = problems(round % 2 == 0).new_tree(&mut runner).expect("a problem");
        let problem = proptest::strategy::ValueTree::current(&tree);
        decide(&problem, &mut scratch, &mut reused);
        let fresh = solved(&problem);
        assert_eq!((&reused.takes, &reused.unfilled), (&fresh.takes, &fresh.unfilled));
    }
}

#[test]
fn the_largest_amounts_do_not_overflow() {
    let mut problem = Problem::default();
    let need = vec![crate::limits::UNITS_PER_LINE_MAX; LINES_MAX];
    problem.reset(&need, SPLIT_MAX, Cost::MAX_RATE, Cost::MAX_RATE);
    for node in 0..CANDIDATES_MAX {
        problem.add_candidate(Cost::MAX_RATE);
        for line in 0..LINES_MAX {
            problem.offer(node, line, (line % 3) as u32 * 400, Cost::MAX_RATE);
        }
    }
    let decision = solved(&problem);
    assert!(decision.cost > Cost::ZERO);
    assert_eq!(problem.price(&decision.takes, &decision.unfilled), decision.cost);
}

#[test]
fn equal_costs_prefer_fewer_shipments_then_the_first_name() {
    let mut problem = Problem::default();
    problem.reset(&[1, 1], 2, Cost(100), Cost(100));
    for _ in 0..3 {
        problem.add_candidate(Cost(0));
    }
    for node in 0..3 {
        for line in 0..2 {
            problem.offer(node, line, u32::from(node != 0 || line == 0), Cost(5));
        }
    }
    let decision = solved(&problem);
    assert_eq!(decision.used(), 0b010, "node 1 has both lines, as node 2 has");
}
