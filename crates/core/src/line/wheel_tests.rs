//! The tables of the wheel, by their figures. What a draw gives is in `tests/draw_wheel.rs`.

use super::*;

const BUCKET: u64 = 1 << BUCKET_SHIFT;
const HALF: u64 = BUCKET / 2;

/// Return the turn after which U is the largest at `top`.
fn turn_of(top: u64) -> Turn {
    Turn(u64::MAX - top)
}

#[test]
fn memory_is_twelve_bytes_a_ticket_and_half_a_mebibyte_a_class() {
    const CHUNK: usize = 12 << 16;
    const CLASS: usize = 512 << 10;
    let mut wheel = Wheel::default();
    assert_eq!(wheel.bytes(), 0);
    for (ticket, lane, class, bytes) in [
        (0, 0, 0, CHUNK + CLASS),
        (1, 0, 0, CHUNK + CLASS),
        (2, 0, 3, CHUNK + 2 * CLASS),
        (3, 1, 3, CHUNK + 3 * CLASS),
        (65_536, 1, 3, 2 * CHUNK + 3 * CLASS),
        (262_143, 1, 3, 4 * CHUNK + 3 * CLASS),
    ] {
        wheel.push(ticket, lane, Spot(u64::from(ticket)), class);
        assert_eq!(wheel.bytes(), bytes, "with ticket {ticket}");
    }
}

#[test]
fn the_bucket_of_the_top_is_counted_below_it_first_and_above_it_last() {
    let top = 100 * BUCKET + HALF - 1;
    let below = [top, top - 1, 100 * BUCKET];
    let above = [top + 1, 101 * BUCKET - 1];
    let next = [100 * BUCKET - 1, 99 * BUCKET, 99 * BUCKET + 5, 99 * BUCKET + 7];
    let last = [101 * BUCKET, 101 * BUCKET + 1, 101 * BUCKET + 2];
    let mut wheel = Wheel::default();
    for (ticket, spot) in (0..).zip([&above[..], &next, &below, &last].concat()) {
        wheel.push(ticket, 2, Spot(spot), 0);
    }
    let places = wheel.places(2, turn_of(top), Weights::EQUAL);
    let [steps] = &places.classes[..] else { panic!("one class: {:?}", places.classes.len()) };
    let before = &steps.before;
    assert_eq!(before.len(), BUCKETS + 2);
    assert_eq!(before[..4], [0, 3, 7, 7]);
    assert_eq!(before[BUCKETS - 1..], [7, 10, 12]);
    assert_eq!(places.about(Spot(top), 0), 0, "nobody is before the highest");
    assert_eq!(places.about(Spot(100 * BUCKET - 1), 0), 3);
    assert_eq!(places.about(Spot(99 * BUCKET + HALF - 1), 0), 5, "halfway through four");
    assert_eq!(places.about(Spot(101 * BUCKET - 1), 0), 10, "the highest above the top");
}

#[test]
fn places_go_evenly_through_each_bucket() {
    let steps = Steps { weight: 1, before: Box::from([0, 10, 30, 60, 100]) };
    for bucket in [100, 101] {
        // Half a bucket at first, then whole ones.
        let turn = turn_of(bucket * BUCKET + HALF - 1);
        for (depth, before) in [
            (0, 0.0),
            (HALF / 2, 5.0),
            (HALF, 10.0),
            (HALF + HALF, 20.0),
            (HALF + BUCKET, 30.0),
            (HALF + BUCKET + HALF / 2, 37.5),
            (HALF + 2 * BUCKET + HALF, 80.0),
        ] {
            assert_eq!(steps.before_depth(depth, turn), before, "{bucket}, {depth}");
        }
        // The top is the lowest spot of its bucket: the next one begins at once.
        let turn = turn_of(bucket * BUCKET);
        for (depth, before) in [(0, 0.0), (1, 10.0), (1 + HALF, 20.0), (1 + BUCKET, 30.0)] {
            assert_eq!(steps.before_depth(depth, turn), before, "{bucket}, {depth}");
        }
    }
}
