//! The wheel against the plain sort, and what a draw owes to everybody: chances by weight, and none
//! by the order of joining.

use onrush_core::line::draw::{self, Fault, ListError, Published, RULE};
use onrush_core::line::{
    Key, ListDigest, Order, Participants, Pseudonym, Seed, Spot, Spots, Turn, Weights, Wheel,
};
use proptest::prelude::*;

/// A ticket of a test: where it stands on the wheel, and its class.
type Placed = (u64, u8);

/// Return the pseudonym of a test's ticket; not in the order of the tickets.
fn pseudonym(ticket: u32) -> Pseudonym {
    let mixed = ticket.wrapping_mul(0x9e37_79b1).to_be_bytes();
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&mixed);
    Pseudonym(bytes)
}

fn order(wheel: &Wheel, lane: u8, turn: Turn, weights: Weights) -> Vec<u32> {
    let mut order = Order::new(wheel, lane, turn, weights);
    std::iter::from_fn(|| order.next_ticket(wheel, &pseudonym)).collect()
}

fn wheel_of(tickets: &[Placed]) -> Wheel {
    let mut wheel = Wheel::default();
    for (ticket, &(spot, class)) in (0..).zip(tickets) {
        wheel.push(ticket, 0, Spot(spot), class);
    }
    wheel
}

fn plain_sort(tickets: &[Placed], turn: Turn, weights: Weights) -> Vec<u32> {
    let key =
        |&(spot, class): &Placed| Key::of(Spot(spot).turned(turn), weights.get(class).unwrap());
    let mut sorted: Vec<(Key, Pseudonym, u32)> =
        (0..).zip(tickets).map(|(n, placed)| (key(placed), pseudonym(n), n)).collect();
    sorted.sort();
    sorted.into_iter().map(|(.., ticket)| ticket).collect()
}

/// Spots that crowd where it hurts: around the ends of buckets, around the top, and together.
fn spots() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => any::<u64>(),
        2 => (any::<u16>(), -3_i64..3).prop_map(|(bucket, off)| {
            (u64::from(bucket) << 48).wrapping_add_signed(off)
        }),
        2 => (0_u64..4, -200_000_i64..200_000).prop_map(|(bucket, off)| {
            (bucket << 48).wrapping_add_signed(off)
        }),
        1 => Just(0), 1 => Just(u64::MAX),
    ]
}

fn weights() -> impl Strategy<Value = Weights> {
    prop::collection::vec(1_u8..=255, 8).prop_map(|of| Weights::new(&of).expect("weights"))
}

proptest! {
    // An order goes round 65,536 buckets for each class: more cases than these take their time.
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_wheel_orders_like_the_plain_sort(
        tickets in prop::collection::vec((spots(), 0_u8..8), 0..300),
        turn in spots(),
        weights in weights(),
    ) {
        let wheel = wheel_of(&tickets);
        let turn = Turn(turn);
        prop_assert_eq!(order(&wheel, 0, turn, weights), plain_sort(&tickets, turn, weights));
    }

    #[test]
    fn equal_and_nearly_equal_keys_are_ordered_by_pseudonym(
        around in spots(),
        offs in prop::collection::vec((-200_000_i64..200_000, 0_u8..8), 0..60),
        weights in weights(),
        top: bool,
    ) {
        // Near the top some 45,000 × weight neighbouring numbers share a key, over buckets too.
        let turn = Turn(if top { u64::MAX.wrapping_sub(around) } else { around });
        let tickets: Vec<Placed> =
            offs.iter().map(|&(off, class)| (around.wrapping_add_signed(off), class)).collect();
        let wheel = wheel_of(&tickets);
        prop_assert_eq!(order(&wheel, 0, turn, weights), plain_sort(&tickets, turn, weights));
    }

    #[test]
    fn lanes_and_gaps_do_not_mix(
        tickets in prop::collection::vec((spots(), 0_u8..2, 0_u8..3, 1_u32..30_000), 0..30),
        turn: u64,
    ) {
        let mut wheel = Wheel::default();
        let mut number = 0;
        let mut numbered = Vec::new();
        for (spot, class, lane, gap) in tickets {
            number += gap;
            wheel.push(number, lane, Spot(spot), class);
            prop_assert_eq!(wheel.spot(number), Spot(spot));
            numbered.push((number, lane, spot, class));
        }
        let weights = Weights::new(&[3, 1, 7]).expect("weights");
        for lane in 0..3 {
            let mut sorted: Vec<_> = numbered
                .iter()
                .filter(|ticket| ticket.1 == lane)
                .map(|&(number, _, spot, class)| {
                    let u = Spot(spot).turned(Turn(turn));
                    (Key::of(u, weights.get(class).unwrap()), pseudonym(number), number)
                })
                .collect();
            sorted.sort();
            let expected: Vec<u32> = sorted.into_iter().map(|(.., number)| number).collect();
            prop_assert_eq!(wheel.count(lane) as usize, expected.len());
            prop_assert_eq!(order(&wheel, lane, Turn(turn), weights), expected);
        }
    }

    #[test]
    fn a_whole_draw_is_what_the_rule_says(
        seed: [u8; 32],
        classes in prop::collection::vec(0_u8..8, 0..200),
        weights in weights(),
        value in prop::option::of(".{0,20}"),
    ) {
        let list: Vec<(Pseudonym, u8)> =
            (0..).zip(classes).map(|(n, class)| (pseudonym(n), class)).collect();
        let seed = Seed(seed);
        let drawing = draw::recompute(&seed, value.as_deref(), &list, weights).expect("a list");
        let (mut wheel, mut participants) = (Wheel::default(), Participants::default());
        let spots = Spots::new(&seed);
        for (n, &(pseudonym, class)) in (0..).zip(&list) {
            wheel.push(n, 0, spots.of(pseudonym), class);
            participants.push(pseudonym, class);
        }
        let turn = Turn::of(participants.digest(), value.as_deref());
        prop_assert_eq!(turn, drawing.turn);
        prop_assert_eq!(order(&wheel, 0, turn, weights), drawing.order.clone());
        let ranks = drawing.ranks();
        let places = wheel.places(0, turn, weights);
        for (n, &(pseudonym, class)) in (0..).zip(&list) {
            prop_assert_eq!(drawing.order[ranks[n] as usize] as usize, n);
            let about = places.about(spots.of(pseudonym), class);
            prop_assert!(about.abs_diff(ranks[n]) <= 24, "{about} {}", ranks[n]);
        }
    }
}

#[test]
fn equal_spots_are_ordered_by_pseudonym_alone() {
    let tickets: Vec<Placed> = (0..2_000).map(|n| (77 << 48, (n % 2) as u8)).collect();
    let mut expected: Vec<u32> = (0..2_000).collect();
    expected.sort_by_key(|&n| pseudonym(n));
    let weights = Weights::new(&[9, 9]).expect("weights");
    assert_eq!(order(&wheel_of(&tickets), 0, Turn(5), weights), expected);
}

#[test]
fn the_highest_number_is_first_and_zero_is_last() {
    let turn = Turn(12_345);
    let spot = |u: u64| u.wrapping_sub(turn.0);
    let tickets = [(spot(0), 0), (spot(u64::MAX / 2), 0), (spot(u64::MAX), 0), (spot(1), 0)];
    assert_eq!(order(&wheel_of(&tickets), 0, turn, Weights::EQUAL), [2, 1, 3, 0]);
}

#[test]
#[should_panic(expected = "joined a draw that had closed")]
fn nobody_joins_a_draw_that_runs() {
    let mut wheel = wheel_of(&[(1, 0)]);
    let mut order = Order::new(&wheel, 0, Turn(0), Weights::EQUAL);
    wheel.push(1, 0, Spot(2), 0);
    order.next_ticket(&wheel, &pseudonym);
}

#[test]
#[should_panic(expected = "is not after")]
fn a_ticket_is_pushed_once() {
    let mut wheel = wheel_of(&[(1, 0), (2, 0)]);
    wheel.push(1, 0, Spot(3), 0);
}

/// A million tickets at real spots: 500,000, 300,000 and 200,000 of weights 1, 2 and 5.
struct Million {
    wheel: Wheel,
    weights: Weights,
}

const CLASS_SIZES: [(u32, u8); 3] = [(500_000, 1), (300_000, 2), (200_000, 5)];

fn class_of(ticket: u32) -> u8 {
    match ticket % 10 {
        0..5 => 0,
        5..8 => 1,
        _ => 2,
    }
}

fn million() -> Million {
    let spots = Spots::new(&Seed([7; 32]));
    let mut wheel = Wheel::default();
    for ticket in 0..1_000_000 {
        wheel.push(ticket, 0, spots.of(pseudonym(ticket)), class_of(ticket));
    }
    Million { wheel, weights: Weights::new(&CLASS_SIZES.map(|(_, weight)| weight)).expect("three") }
}

#[test]
fn a_million_tickets_win_by_their_weights_and_cost_13_bytes() {
    let Million { wheel, weights } = million();
    let each = wheel.bytes() as f64 / 1e6;
    assert!(each < 14.2, "{each} bytes; 12 and the tables of three classes");
    // The first 1,000 of 400 turns that are evenly apart: few enough that nobody wins often, and
    // that hardly anybody is missed among those who are left.
    let mut wins = [0_u32; 3];
    let mut early = 0_u32;
    for n in 0..400_u64 {
        let turn = Turn(n * (u64::MAX / 400));
        let mut order = Order::new(&wheel, 0, turn, weights);
        for _ in 0..1_000 {
            let ticket = order.next_ticket(&wheel, &pseudonym).expect("a million");
            wins[usize::from(class_of(ticket))] += 1;
            early += u32::from(ticket < 500_000);
        }
    }
    let all: f64 =
        CLASS_SIZES.iter().map(|&(size, weight)| f64::from(size) * f64::from(weight)).sum();
    for (won, (size, weight)) in wins.into_iter().zip(CLASS_SIZES) {
        let share = f64::from(size) * f64::from(weight) / all;
        let found = f64::from(won) / 400_000.0;
        assert!((found / share - 1.0).abs() < 0.01, "weight {weight}: {found} of {share}");
    }
    let early = f64::from(early) / 400_000.0;
    assert!((early - 0.5).abs() < 0.005, "who joined early wins as often: {early}");
}

#[test]
fn about_is_within_a_bucket_of_each_class_in_a_large_draw() {
    let Million { wheel, weights } = million();
    let turn = Turn(0x0123_4567_89ab_cdef);
    let places = wheel.places(0, turn, weights);
    let mut order = Order::new(&wheel, 0, turn, weights);
    let mut worst = 0;
    for rank in 0..120_000_u32 {
        let ticket = order.next_ticket(&wheel, &pseudonym).expect("a million");
        worst = worst.max(places.about(wheel.spot(ticket), class_of(ticket)).abs_diff(rank));
    }
    // Some 15 tickets share a bucket.
    assert!(worst <= 45, "off by {worst}");
}

#[test]
fn ranks_do_not_depend_on_the_order_of_joining() {
    const COUNT: u32 = 20_000;
    let list: Vec<(Pseudonym, u8)> = (0..COUNT).map(|n| (pseudonym(n), 0)).collect();
    let ranks =
        draw::recompute(&Seed([3; 32]), None, &list, Weights::EQUAL).expect("a list").ranks();
    let mut cells = [[0_u32; 10]; 10];
    for (n, rank) in (0..COUNT).zip(ranks) {
        cells[(n / (COUNT / 10)) as usize][(rank / (COUNT / 10)) as usize] += 1;
    }
    let expected = f64::from(COUNT) / 100.0;
    let chi2: f64 =
        cells.iter().flatten().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
    // 81 degrees of freedom: beyond 126 once in a thousand.
    assert!(chi2 < 126.0, "{chi2}");
}

fn published() -> Published {
    let participants: Vec<(Pseudonym, u8)> =
        (0..9).map(|n| (pseudonym(n), (n % 3) as u8)).collect();
    let weights = Weights::new(&[1, 4, 2]).expect("weights");
    let seed = Seed([8; 32]);
    let drawing = draw::recompute(&seed, Some("4711"), &participants, weights).expect("a list");
    Published {
        rule: RULE.to_owned(),
        commitment: seed.commitment(),
        seed,
        list_digest: drawing.list_digest,
        public_value: Some("4711".to_owned()),
        turn: drawing.turn,
        weights,
        participants,
    }
}

#[test]
fn every_change_of_what_was_published_is_found() {
    type Change = fn(&mut Published);
    let honest = draw::verify(&published()).expect("it holds");
    assert_eq!(honest.order.len(), 9);
    let stranger = Pseudonym([0xee; 16]);
    let cases: [(Change, &[Fault]); 9] = [
        (|p| p.rule.push('.'), &[Fault::Rule]),
        (|p| p.seed = Seed([9; 32]), &[Fault::Seed]),
        (|p| p.commitment[31] ^= 1, &[Fault::Seed]),
        (|p| p.turn = Turn(p.turn.0 ^ 1), &[Fault::Turn]),
        (|p| p.public_value = None, &[Fault::Turn]),
        (|p| p.list_digest = ListDigest([0; 32]), &[Fault::Turn, Fault::ListDigest]),
        (|p| p.participants.swap(0, 1), &[Fault::ListDigest]),
        (|p| p.participants[3].1 = 1, &[Fault::ListDigest]),
        (|p| p.participants[4].0 = Pseudonym([0xee; 16]), &[Fault::ListDigest]),
    ];
    for (n, (change, faults)) in cases.into_iter().enumerate() {
        let mut changed = published();
        change(&mut changed);
        assert_eq!(draw::verify(&changed).expect_err("a fault"), faults, "case {n}");
    }
    let mut twice = published();
    twice.participants.push((stranger, 0));
    twice.participants.push((stranger, 1));
    let fault = Fault::List(ListError::Twice(stranger));
    assert_eq!(draw::verify(&twice).expect_err("a fault"), [fault]);
    let mut classless = published();
    classless.participants[8].1 = 3;
    let pseudonym = classless.participants[8].0;
    let fault = Fault::List(ListError::NoSuchClass { pseudonym, class: 3 });
    assert_eq!(draw::verify(&classless).expect_err("a fault"), [fault]);
}
