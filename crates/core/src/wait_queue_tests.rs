//! The line before one SKU at its limits and at the borders of its chunks.

use super::*;

fn buyer(n: u32) -> BuyerDigest {
    let mut bytes = [7; 16];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    BuyerDigest(bytes)
}

fn wish(number: u32) -> Wish {
    Wish { number, buyer: buyer(number), quantity: Quantity::ONE }
}

fn joined(wishes: u32) -> WaitQueue {
    let mut queue = WaitQueue::default();
    for number in 0..wishes {
        queue.join(wish(number)).expect("joins");
    }
    queue
}

#[test]
fn a_line_has_room_up_to_its_count() {
    let mut queue = joined(3);
    assert!(queue.has_room());
    queue.waiting = WAITING_PER_SKU_MAX as u32 - 1;
    assert!(queue.has_room(), "one more");
    queue.waiting += 1;
    assert!(!queue.has_room(), "and that is all");
}

/// The numbers between the first who waits and the last are bounded, wherever the line begins: those
/// who left in between cost memory too.
#[test]
fn a_line_has_room_up_to_its_span() {
    let span = WAIT_SPAN_MAX as u32;
    for first in [0, span, 3 * span] {
        let mut queue = WaitQueue::default();
        queue.restore(wish(first)).expect("the first may have any number");
        let mut room_at = |next| {
            queue.restore_end(next, WaitFigures::default()).expect("not too far");
            queue.has_room()
        };
        assert!(room_at(first + span - 1), "from {first}");
        assert!(!room_at(first + span), "from {first}");
        // What was allowed when it was written can be read, to the end of its chunk.
        assert!(!room_at(first + span + CHUNK), "from {first}");
        let beyond = queue.restore_end(first + span + CHUNK + 1, WaitFigures::default());
        assert_eq!(beyond, Err("a line is not that long"), "from {first}");
        assert_eq!(queue.head(), Some(wish(first)));
    }
}

#[test]
fn the_next_is_found_behind_a_chunk_that_everybody_left() {
    let mut queue = joined(CHUNK);
    for number in 0..CHUNK {
        queue.leave(number).expect("waits");
    }
    assert_eq!(queue.head(), None);
    queue.join(wish(CHUNK)).expect("joins");
    assert_eq!(queue.head(), Some(wish(CHUNK)));
    assert_eq!((queue.ahead_of(CHUNK), queue.waiting()), (0, 1));
    queue.meet(CHUNK, Quantity::ONE).expect("waits");
    assert!(!queue.is_waiting());
}

#[test]
fn a_line_that_ended_goes_on_wherever_it_ended() {
    for wishes in [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK] {
        let mut queue = joined(wishes);
        queue.end();
        assert_eq!((queue.head(), queue.waiting()), (None, 0), "after {wishes}");
        for number in [wishes, wishes + 1] {
            queue.join(wish(number)).expect("numbers go on");
            assert_eq!(queue.wish_of(buyer(number)), Some(wish(number)), "after {wishes}");
        }
        assert_eq!(queue.head(), Some(wish(wishes)));
        assert_eq!(queue.ahead_of(wishes + 1), 1, "after {wishes}");
    }
}

#[test]
fn a_chunk_in_the_middle_frees_its_memory_once_everybody_left() {
    let mut queue = joined(5 * CHUNK);
    for number in 2 * CHUNK..3 * CHUNK {
        assert_eq!(queue.chunks[2].wishes.len(), CHUNK as usize, "{number} waits");
        queue.leave(number).expect("waits");
    }
    let kept: Vec<usize> = queue.chunks.iter().map(|chunk| chunk.wishes.len()).collect();
    assert_eq!(kept, [1_024, 1_024, 0, 1_024, 1_024]);
    assert_eq!(queue.ahead_of(4 * CHUNK), 3 * CHUNK);
    assert_eq!((queue.wish(2 * CHUNK), queue.wish(3 * CHUNK)), (None, Some(wish(3 * CHUNK))));
    assert_eq!(queue.iter().count() as u32, 4 * CHUNK);
}
