//! A small line, told honestly and in ways that are not.

use super::*;

const SEED: Seed = Seed([6; 32]);
const TURN: Turn = Turn(0x0123_4567_89ab_cdef);

fn pseudonym(number: u32) -> Pseudonym {
    let mut bytes = [9; 16];
    bytes[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b1).to_be_bytes());
    Pseudonym(bytes)
}

fn at(seconds: u64) -> Timestamp {
    Timestamp(1_000_000 + seconds * 1_000)
}

fn weights() -> Weights {
    Weights::new(&[1, 3]).expect("weights")
}

fn class_of(number: u32) -> u8 {
    u8::from(number.is_multiple_of(4))
}

/// 1,000 join before the draw at second 100 and 200 after it, one a second; from second 400 on ten are
/// called up each second, and all but each fifth place use the pass five seconds later.
fn honest() -> Vec<Fact> {
    let mut facts = vec![Fact::Weights(weights())];
    let join = |number: u32, seconds| Fact::Joined {
        class: class_of(number),
        lane: 0,
        pseudonym: pseudonym(number),
        at: at(seconds),
    };
    facts.extend((0..1_000).map(|n| join(n, u64::from(n) / 10)));
    facts.push(Fact::Drawn { lane: 0, count: 1_000, seed: SEED, turn: TURN, at: at(100) });
    facts.extend((0..200).map(|n| join(1_000 + n, 101 + u64::from(n))));
    let order = places(&facts);
    for second in 0..125_u32 {
        let through = ((second + 1) * 10).min(1_200);
        if through > second * 10 {
            let (again, per_second) = (0, Some(10));
            facts.push(Fact::Called {
                through,
                again,
                per_second,
                at: at(400 + u64::from(second)),
            });
        }
        for place in (second.saturating_sub(5) * 10..).take(10).filter(|place| place % 5 != 0) {
            if second >= 5 && place < 1_200 {
                let at = at(400 + u64::from(second));
                facts.push(Fact::Used { number: order[place as usize], place, at });
            }
        }
    }
    facts
}

/// Return the tickets by place, by the plain sort.
fn places(facts: &[Fact]) -> Vec<u32> {
    let joined: Vec<(Pseudonym, u8)> = facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Joined { pseudonym, class, .. } => Some((*pseudonym, *class)),
            _ => None,
        })
        .collect();
    let spots = Spots::new(&SEED);
    let key = |&(pseudonym, class): &(Pseudonym, u8)| {
        let u = spots.of(pseudonym).turned(TURN);
        (Key::of(u, weights().get(class).expect("a class")), pseudonym)
    };
    let mut order: Vec<u32> = (0..1_000).collect();
    order.sort_by_key(|&number| key(&joined[number as usize]));
    order.extend(1_000..1_200);
    order
}

#[test]
fn an_honest_line_has_nothing_to_hide() {
    let report = report(honest());
    assert_eq!((report.tickets, report.called, report.inversions), (1_200, 1_200, 0));
    assert_eq!((report.used, report.unused, report.came_back), (960, 240, 0));
    let uniformity = report.uniformity.expect("1,000 were drawn");
    assert!(uniformity.p > 0.01, "{uniformity:?}");
    assert_eq!(uniformity.degrees, 81 + 36, "10 × 10 and 7 × 7 cells");
    let [plain, heavy] = report.tiers[..] else { panic!("two tiers: {:?}", report.tiers) };
    assert_eq!((plain.tickets, heavy.tickets), (900, 300));
    assert_eq!((plain.weight, heavy.weight), (1, 3));
    assert_eq!(plain.called + heavy.called, 1_200);
    assert_eq!(plain.used + heavy.used, 960);
    assert!(heavy.wait_p50_ms < plain.wait_p50_ms, "{heavy:?} {plain:?}");
    assert!(plain.wait_p90_ms > plain.wait_p50_ms && plain.wait_p90_ms <= 420_000, "{plain:?}");
    let eta = report.eta.expect("people waited");
    assert!(eta.shown > 500 && eta.within_p90 > 0.7 && eta.p90_to_real < 2.0, "{eta:?}");
}

#[test]
fn a_pass_used_out_of_turn_is_counted() {
    let facts = honest();
    let order = places(&facts);
    let called = facts.iter().position(|f| matches!(f, Fact::Called { .. })).expect("a call");
    // The last place walks in at the first call, and states either its own place or another's.
    for place in [1_199, 0] {
        let mut bent = facts.clone();
        bent.insert(called + 1, Fact::Used { number: order[1_199], place, at: at(400) });
        assert_eq!(report(bent).inversions, 1, "place {place}");
    }
    let mut unknown = facts.clone();
    unknown.push(Fact::Used { number: 5_000, place: 0, at: at(900) });
    assert_eq!(report(unknown).inversions, 1);
    let mut swapped = facts;
    for fact in &mut swapped {
        if let Fact::Drawn { turn, .. } = fact {
            turn.0 ^= 1 << 63;
        }
    }
    assert!(report(swapped).inversions > 700, "places of another draw");
}

#[test]
fn who_was_passed_over_and_called_again_is_in_turn() {
    let mut facts = honest();
    let order = places(&facts);
    let (number, place) = (order[5], 5);
    facts.push(Fact::Returned { number });
    facts.push(Fact::Called { through: 1_200, again: 1, per_second: Some(10), at: at(700) });
    facts.push(Fact::Used { number, place, at: at(701) });
    let report = report(facts);
    assert_eq!((report.inversions, report.came_back), (0, 1));
    assert_eq!((report.used, report.unused), (961, 239));
}

#[test]
fn lanes_stand_behind_each_other_and_an_undrawn_one_has_no_places() {
    let join = |lane, n: u32| Fact::Joined {
        class: 0,
        lane,
        pseudonym: pseudonym(n),
        at: at(u64::from(n)),
    };
    let drawn = |lane, count| Fact::Drawn { lane, count, seed: SEED, turn: TURN, at: at(50) };
    let call = |through| Fact::Called { through, again: 0, per_second: None, at: at(60) };
    let mut facts: Vec<Fact> = (0..30).map(|n| join((n % 2) as u8, n)).collect();
    facts.push(drawn(0, 15));
    facts.push(join(0, 30));
    facts.push(call(40));
    assert_eq!(report(facts.clone()).called, 16, "lane 1 is not drawn");
    facts.push(drawn(1, 15));
    let two = report(facts.clone());
    assert_eq!((two.called, two.tickets), (31, 31));
    // The arrival of lane 0 stands before everybody of lane 1.
    facts.push(Fact::Used { number: 30, place: 15, at: at(61) });
    assert_eq!(report(facts).inversions, 0);
}

#[test]
fn a_bent_table_is_improbable_and_a_mixed_one_is_not() {
    let sorted: Vec<u32> = (0..1_000).collect();
    let (chi2, degrees) = table(&sorted);
    assert!(degrees == 81 && chi2_p(chi2, degrees) < 1e-9, "{chi2}");
    let mut mixed = sorted;
    mixed.sort_by_key(|&n| Spots::new(&SEED).of(pseudonym(n)));
    let (chi2, degrees) = table(&mixed);
    assert!((0.001..0.999).contains(&chi2_p(chi2, degrees)), "{chi2}");
    assert_eq!(table(&[1, 2, 3]), (0.0, 0), "too few to say anything");
}

#[test]
fn nothing_happened_yet() {
    assert_eq!(report([]), Report::default());
}

#[test]
fn a_table_needs_twenty_tickets_and_counts_each_cell() {
    let sorted = |n| (0..n).collect::<Vec<u32>>();
    assert_eq!(table(&sorted(19)), (0.0, 0));
    // Two by two cells of which five are expected: all stand in the diagonal.
    assert_eq!(table(&sorted(20)), (20.0, 1));
    assert_eq!(table(&sorted(20).into_iter().rev().collect::<Vec<_>>()), (20.0, 1));
    // Every second one of each half in each half.
    let even: Vec<u32> = (0..20).map(|n| n % 10 * 2 + n / 10).collect();
    assert_eq!(table(&even), (0.0, 1));
    assert_eq!(table(&sorted(45)), (90.0, 4), "three by three");
}

#[test]
fn the_evenness_of_all_tiers_is_summed() {
    let facts = honest();
    let drawn = &places(&facts)[..1_000];
    let of_class = |class| -> Vec<u32> {
        drawn.iter().copied().filter(|number| class_of(*number) == class).collect()
    };
    let [plain, heavy] = [0, 1].map(|class| table(&of_class(class)));
    assert!(plain.0 > 1.0 && heavy.0 > 1.0, "neither is quite even");
    let found = report(facts).uniformity.expect("1,000 were drawn");
    assert_eq!((found.chi2, found.degrees), (plain.0 + heavy.0, plain.1 + heavy.1));
    assert_eq!(found.p, chi2_p(found.chi2, found.degrees));
}

/// What the estimator shows after each call, and what then happened, said a second time: it hears of
/// each call, and each second after it that nothing happened.
fn waits_again(calls: &[Call]) -> Option<EtaReport> {
    let end = calls.last()?.through;
    let mut forecaster = Forecaster::new();
    let (mut shown, mut in_half, mut in_nine, mut wide) = (0, 0, 0, Vec::new());
    for (n, call) in calls.iter().enumerate() {
        let quiet_ms = calls.get(n + 1).map_or(0, |next| next.at.since(call.at).0.max(1) - 1);
        for second in 0..=quiet_ms / 1_000 {
            let at = Timestamp(call.at.0 + second * 1_000);
            let (served, waiting) = (call.through, end - call.through);
            let Call { per_second, paused, .. } = *call;
            forecaster.tick(Sample { at, served, waiting, per_second, paused });
        }
        for power in 0..31 {
            let place = u64::from(call.through) + (1 << power);
            let reached = calls.iter().find(|call| u64::from(call.through) > place);
            let eta = forecaster.forecast().eta(1 << power);
            let (Some(reached), Some(eta)) = (reached, eta) else { continue };
            let real = reached.at.since(call.at).0.max(1);
            shown += 1;
            in_half += u32::from(real <= eta.p50_ms);
            in_nine += u32::from(real <= eta.p90_ms);
            wide.push(eta.p90_ms as f64 / real as f64);
        }
    }
    wide.sort_by(f64::total_cmp);
    let share = |hits| f64::from(hits) / f64::from(shown);
    let (within_p50, within_p90) = (share(in_half), share(in_nine));
    Some(EtaReport { shown, within_p50, within_p90, p90_to_real: *wide.get(wide.len() / 2)? })
}

#[test]
fn shown_waits_are_compared_with_all_that_followed() {
    for seed in 1..=24_u64 {
        let mut state = seed;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let (mut facts, mut calls) = (Vec::new(), Vec::new());
        let (mut at, mut through, mut rate) = (Timestamp(1_000_000), 0, Some(20));
        for _ in 0..60 + seed * 5 {
            // Now several a second, now seconds of nothing, some of them whole.
            at = Timestamp(at.0 + [200, 700, 1_000, 2_400, 3_000, 7_100][next(6) as usize]);
            let paused = next(12) == 0;
            if paused {
                facts.push(Fact::Paused { paused, at });
            } else {
                through += next(9) as u32;
                rate =
                    if next(20) == 0 { [None, Some(20), Some(40)][next(3) as usize] } else { rate };
                facts.push(Fact::Called { through, again: 0, per_second: rate, at });
            }
            // A pause keeps the rate of the last call, which is none before the first.
            let per_second = if calls.is_empty() && paused { None } else { rate };
            calls.push(Call { through, at, per_second, paused });
        }
        let found = report(facts).eta;
        assert_eq!(found, waits_again(&calls), "seed {seed}");
        assert!(found.expect("people waited").shown > 200, "seed {seed}: {found:?}");
    }
}

#[test]
fn nobody_behind_the_last_is_asked_about_when_a_line_slows_down() {
    // A forecast for more people than are left never comes true; late, it would widen those shown.
    for seed in 1..=40_u64 {
        let mut state = seed;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let (mut at, mut through, mut calls) = (Timestamp(1_000_000), 0, Vec::new());
        let quick = 12 + seed % 20;
        for n in 0..quick + 9 {
            let (ms, people) = if n < quick { (500, 30) } else { (4_000, 4) };
            at = Timestamp(at.0 + ms + next(2 * ms));
            through += 1 + next(people) as u32;
            calls.push(Call { through, at, per_second: None, paused: false });
        }
        let fact = |call: &Call| {
            let Call { through, at, per_second, .. } = *call;
            Fact::Called { through, again: 0, per_second, at }
        };
        let found = report(calls.iter().map(fact)).eta;
        assert_eq!(found, waits_again(&calls), "seed {seed}");
    }
}
