use super::*;
use onrush_types::BuyerDigest;

const NOW: Timestamp = Timestamp(1_000_000);

fn desk(campaign: u16) -> Challenges {
    let mut n = 0u8;
    let mut random = |bytes: &mut [u8]| {
        use sha2::Digest;
        for chunk in bytes.chunks_mut(32) {
            n = n.wrapping_add(1);
            chunk.copy_from_slice(&sha2::Sha256::digest([n, n >> 3, 7])[..chunk.len()]);
        }
    };
    Challenges::new(&RiskKey::new([9; 32]), campaign, &mut random)
}

fn holder(n: u8) -> Holder {
    Holder { buyer: BuyerDigest([n; 16]), session: u64::from(n) }
}

fn later(ms: u64) -> Timestamp {
    Timestamp(NOW.0 + ms)
}

#[test]
fn a_time_lock_is_answered_once_by_its_owner() {
    let desk = desk(3);
    let issued = desk.issue(holder(1), ChallengeKind::TimeLock, 2, 0.0, NOW).expect("room");
    assert_eq!((issued.cost, issued.until), (60_000, later(CHALLENGE_MS)));
    let answer = desk.solve(&issued).expect("a time lock");
    let say =
        |token: &str, who, answer: &[u8], ms| desk.answer(token, holder(who), answer, later(ms));
    assert_eq!(say(&issued.token, 2, &answer, 5), Err(AnswerError::Forged));
    assert_eq!(say("00", 1, &answer, 5), Err(AnswerError::Forged));
    assert_eq!(say(&issued.token, 1, &answer, CHALLENGE_MS + 1), Err(AnswerError::Late));
    let proof = say(&issued.token, 1, &answer, 480).expect("right");
    assert_eq!(say(&issued.token, 1, &answer, 481), Err(AnswerError::Used));
    let read = desk.open_proof(&proof, holder(1), later(500)).expect("ours");
    let passed = read.passed();
    assert_eq!((passed.level, passed.ratio, passed.by_waiting), (2, 1.0, false));
    assert!(desk.use_proof(&read) && desk.is_used(&read));
    assert!(!desk.use_proof(&read), "once");
    desk.give_back(&read);
    assert!(desk.use_proof(&read), "what came to nothing may be used again");
}

#[test]
fn a_wrong_answer_uses_the_challenge_up() {
    let desk = desk(3);
    let issued = desk.issue(holder(1), ChallengeKind::TimeLock, 1, 0.0, NOW).expect("room");
    let answer = desk.solve(&issued).expect("a time lock");
    assert_eq!(desk.answer(&issued.token, holder(1), b"no", later(9)), Err(AnswerError::Wrong));
    assert_eq!(desk.answer(&issued.token, holder(1), &answer, later(9)), Err(AnswerError::Used));
}

#[test]
fn waiting_needs_nothing_but_time() {
    let desk = desk(3);
    let issued = desk.issue(holder(1), ChallengeKind::Wait, 3, 0.0, NOW).expect("room");
    let early = desk.answer(&issued.token, holder(1), b"", later(14_000));
    assert_eq!(early, Err(AnswerError::Early(1_000)));
    let proof = desk.answer(&issued.token, holder(1), b"", later(15_000)).expect("waited");
    assert!(desk.open_proof(&proof, holder(1), later(15_000)).expect("ours").passed().by_waiting);
}

#[test]
fn work_is_found_by_trying() {
    let desk = desk(3);
    let issued = desk.issue(holder(1), ChallengeKind::Work, 1, 0.0, NOW).expect("room");
    let tries = (0u32..).map(u32::to_le_bytes);
    let found = tries.into_iter().find(|n| is_work(issued.token.as_bytes(), n, issued.cost));
    let answer = found.expect("one in 32,768");
    assert!(desk.answer(&issued.token, holder(1), &answer, later(50)).is_ok());
}

#[test]
fn proofs_are_bound_and_unforgeable() {
    let (desk, other) = (desk(3), desk(4));
    let issued = desk.issue(holder(1), ChallengeKind::Wait, 1, 0.0, NOW).expect("room");
    let proof = desk.answer(&issued.token, holder(1), b"", later(5_000)).expect("waited");
    let open =
        |desk: &Challenges, text: &str, who, ms| desk.open_proof(text, holder(who), later(ms));
    assert!(open(&desk, &proof, 1, 5_000).is_ok());
    assert_eq!(open(&desk, &proof, 2, 5_000), Err(TokenError::Stolen), "another buyer's");
    let moved = Holder { session: 77, ..holder(1) };
    let told = desk.open_proof(&proof, moved, later(5_000));
    assert_eq!(told, Err(TokenError::Late), "a new session of the same buyer is no thief");
    assert_eq!(open(&other, &proof, 1, 5_000), Err(TokenError::Forged), "another campaign's");
    assert_eq!(open(&desk, &proof, 1, CHALLENGE_MS + 1), Err(TokenError::Late));
    assert_eq!(
        open(&desk, &issued.token, 1, 5_000),
        Err(TokenError::Forged),
        "a challenge is no proof"
    );
    for at in 0..proof.len() {
        let mut damaged = proof.clone().into_bytes();
        damaged[at] = if damaged[at] == b'0' { b'1' } else { b'0' };
        let damaged = String::from_utf8(damaged).expect("ASCII");
        assert_eq!(open(&desk, &damaged, 1, 5_000), Err(TokenError::Forged), "{at}");
    }
    assert_eq!(open(&desk, &proof.to_uppercase(), 1, 5_000), Err(TokenError::Forged), "one text");
}

#[test]
fn load_and_level_make_it_harder() {
    let desk = desk(3);
    let cost =
        |kind, level, load| desk.issue(holder(1), kind, level, load, NOW).expect("room").cost;
    assert!(cost(ChallengeKind::TimeLock, 1, 0.0) < cost(ChallengeKind::TimeLock, 1, 0.5));
    assert!(cost(ChallengeKind::TimeLock, 3, 0.0) < cost(ChallengeKind::TimeLock, 3, 1.0));
    assert_eq!(cost(ChallengeKind::TimeLock, 9, 7.0), 2 * SQUARINGS[2], "both are bounded");
}
