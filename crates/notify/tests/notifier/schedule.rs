//! When reminders go, how fast, and what each outcome leads to.

use crate::world::{DROP, OPENS, World, buyer, facts, mail, policy, remind};
use onrush_notify::limits::{ATTEMPTS_MAX, IN_FLIGHT_MAX, KEEP_MS, PER_ADDRESS_MAX};
use onrush_notify::{Address, Channel, Done, Locale, Order, Outcome, Policy, Stage, State};
use onrush_types::{BuyerDigest, CampaignIx, DurationMs, Timestamp};

const LATER: Outcome = Outcome::Later { after: None, why: "busy" };

#[test]
fn reminders_go_at_the_lead_time_and_say_what_is_needed() {
    let mut world = World::new();
    world.crowd(1);
    world.at(600_001);
    assert!(world.due().is_empty());
    world.at(600_000);
    let jobs = world.due();
    assert_eq!(jobs.len(), 1);
    let job = &jobs[0];
    assert_eq!((job.key.buyer, job.key.channel, job.attempt), (buyer(0), Channel::Mail, 1));
    assert_eq!(job.address, mail(0));
    assert_eq!((job.message.locale, job.opens_at), (Locale::En, OPENS));
    assert_eq!(job.message.link, "https://shop.example/drop");
    let token = job.message.unsubscribe.rsplit('/').next().expect("a token");
    let leaving = world.notifier.unsubscribe().read(token).expect("signed here");
    assert_eq!((leaving.buyer, leaving.channel), (buyer(0), Channel::Mail));
    assert!(!job.id.contains("000000"), "an id tells nothing about the buyer");
    assert!(world.due().is_empty(), "marked: nobody else gets it");
    world.finish(&[(job.key, Outcome::Sent)]);
    world.advance(60_000);
    assert!(world.due().is_empty());
    assert_eq!(world.count(State::Sent), 1);
}

#[test]
fn a_reminder_carries_a_ticket_where_one_is_issued() {
    let mut world = World::new();
    let lucky = BuyerDigest([200; 16]);
    world.remind(lucky, mail(1));
    world.remind(buyer(2), mail(2));
    world.at(600_000);
    for job in world.due() {
        let link = match job.key.buyer == lucky {
            true => "https://shop.example/t/3-200",
            false => "https://shop.example/drop",
        };
        assert_eq!(job.message.link, link);
    }
}

#[test]
fn no_window_has_more_than_the_rate_and_everybody_is_told_once() {
    let mut world = World::new();
    world.crowd(500);
    world.at(600_000);
    let mut started: Vec<Timestamp> = Vec::new();
    let mut told = std::collections::BTreeSet::new();
    while world.count(State::Waiting) > 0 {
        for job in world.due() {
            started.push(world.now);
            assert!(told.insert(job.key), "twice");
            world.finish(&[(job.key, Outcome::Sent)]);
        }
        world.advance(100);
    }
    assert_eq!((told.len(), world.count(State::Sent)), (500, 500));
    // Two ticks' worth is the burst: 4 at 20 a second.
    for (n, from) in started.iter().enumerate() {
        let within = started[n..].iter().filter(|at| at.since(*from).0 < 1_000).count();
        assert!(within <= 24, "{within} in a second");
    }
    let took = started.last().expect("some").since(started[0]).0;
    assert!((24_000..26_000).contains(&took), "500 at 20 a second took {took} ms");
}

#[test]
fn a_crowd_too_large_for_the_lead_starts_earlier() {
    let policy = Policy { lead: DurationMs(10_000), ..policy() };
    let mut world = World::with(policy, u64::MAX);
    world.crowd(400);
    // 400 at 20 a second take 20 s; twice that is 40 s.
    world.at(40_001);
    assert!(world.due().is_empty());
    world.at(40_000);
    assert!(!world.due().is_empty());
}

#[test]
fn what_is_under_way_is_bounded() {
    let policy = Policy { per_second: 1_000, ..policy() };
    let mut world = World::with(policy, u64::MAX);
    world.crowd(200);
    world.at(600_000);
    let first = world.due();
    assert_eq!(first.len(), IN_FLIGHT_MAX);
    world.advance(1_000);
    assert!(world.due().is_empty());
    let ended: Vec<_> = first[..10].iter().map(|job| (job.key, Outcome::Sent)).collect();
    world.finish(&ended);
    assert_eq!(world.due().len(), 10);
}

#[test]
fn a_campaign_that_moves_takes_its_reminders_along() {
    let mut world = World::new();
    world.crowd(2);
    world.set(DROP, facts(Some(OPENS + DurationMs(3_600_000)), Stage::Before));
    world.at(600_000);
    assert!(world.due().is_empty());
    world.set(DROP, facts(None, Stage::Before));
    world.advance(7_200_000);
    assert!(world.due().is_empty(), "nobody knows when");
    world.set(DROP, facts(Some(world.now + DurationMs(1_000)), Stage::Before));
    assert_eq!(world.due().len(), 2);
}

#[test]
fn nothing_goes_after_the_start_and_a_week_later_it_is_forgotten() {
    for how in ["by the clock", "before its time", "by hand"] {
        let mut world = World::new();
        world.crowd(3);
        world.at(0);
        match how {
            "before its time" => {
                world.at(1_000);
                world.set(DROP, facts(Some(OPENS), Stage::Started));
            }
            "by hand" => world.set(DROP, facts(None, Stage::Started)),
            _ => {}
        }
        world.due();
        assert!(world.due().is_empty());
        assert_eq!((world.count(State::Missed), world.count(State::Waiting)), (3, 0));
        world.now = OPENS + DurationMs(KEEP_MS - 1);
        world.due();
        assert_eq!(world.count(State::Missed), 3);
        world.now = OPENS + DurationMs(KEEP_MS);
        world.due();
        assert_eq!(world.count(State::Missed), 0);
        // Nothing is left to recover either.
        assert_eq!(world.crash().count(State::Missed), 0);
    }
}

#[test]
fn each_outcome_leads_where_it_should() {
    for (outcome, state) in [
        (Outcome::Sent, State::Sent),
        (Outcome::Refused("gone"), State::Failed),
        (Outcome::Unknown("broke"), State::Unknown),
        (LATER, State::Waiting),
    ] {
        let mut world = World::new();
        world.crowd(1);
        world.at(600_000);
        assert_eq!(world.all_due(&outcome), 1);
        assert_eq!(world.count(state), 1, "{outcome:?}");
        let again = Done::Kept { new: false, state };
        assert_eq!(world.remind(buyer(0), mail(0)), again);
        // Only what was refused for now is tried again, and not at once.
        assert_eq!(world.all_due(&outcome), 0);
        world.advance(2_001);
        assert_eq!(world.all_due(&outcome), usize::from(state == State::Waiting));
    }
}

#[test]
fn retries_wait_longer_each_time_and_end() {
    let mut world = World::with(
        Policy { give_up: DurationMs(3_600_000), lead: DurationMs(3_600_000), ..policy() },
        u64::MAX,
    );
    world.crowd(1);
    let mut attempts = vec![world.now];
    assert_eq!(world.all_due(&LATER), 1);
    while world.count(State::Waiting) == 1 {
        world.advance(100);
        if world.all_due(&LATER) == 1 {
            attempts.push(world.now);
        }
    }
    assert_eq!(attempts.len(), usize::from(ATTEMPTS_MAX));
    assert_eq!(world.count(State::Failed), 1);
    let waits: Vec<u64> = attempts.windows(2).map(|two| two[1].since(two[0]).0).collect();
    for (n, wait) in waits.iter().enumerate() {
        let full = (2_000_u64 << n).min(300_000);
        assert!((full / 2..=full + 100).contains(wait), "{waits:?}");
    }
    assert_eq!(world.notifier.figures().attempts(), (8, 7));
}

#[test]
fn a_reminder_is_given_up_in_time_and_never_after_the_start() {
    // Given up after five minutes.
    let mut world = World::new();
    world.crowd(1);
    world.at(600_000);
    let first = world.now;
    while world.count(State::Waiting) == 1 {
        world.all_due(&LATER);
        world.advance(100);
    }
    assert_eq!(world.count(State::Failed), 1);
    assert!(world.now.since(first) <= DurationMs(300_000 + 100));
    // The start comes first.
    let mut world = World::new();
    world.crowd(1);
    world.at(900);
    world.all_due(&LATER);
    assert_eq!(world.count(State::Failed), 1, "the least wait ends after the start");
}

#[test]
fn first_attempts_come_before_retries() {
    let mut world = World::with(Policy { per_second: 1, ..policy() }, u64::MAX);
    world.crowd(3);
    world.at(600_000);
    let mut order = Vec::new();
    for _ in 0..8 {
        for job in world.due() {
            order.push(job.attempt);
            world.finish(&[(job.key, LATER)]);
        }
        world.advance(1_000);
    }
    assert_eq!(order[..3], [1, 1, 1], "{order:?}");
    assert!(order[3..].iter().all(|attempt| *attempt > 1) && order.len() > 3);
}

#[test]
fn limits_are_ordinary_answers() {
    let mut world = World::with(policy(), 6);
    let family = || Address::mail("family@people.example").expect("a mailbox");
    let kept = Done::Kept { new: true, state: State::Waiting };
    for n in 0..u32::from(PER_ADDRESS_MAX) {
        assert_eq!(world.remind(buyer(n), family()), kept);
    }
    assert_eq!(world.remind(buyer(90), family()), Done::AddressFull);
    // The same person again is no second reminder.
    assert_eq!(world.remind(buyer(0), family()), Done::Kept { new: false, state: State::Waiting });
    // Nor is another campaign.
    world.set(CampaignIx(4), facts(Some(OPENS), Stage::Before));
    assert_eq!(world.order(remind(buyer(90), CampaignIx(4), family())), kept);
    assert_eq!(world.remind(buyer(91), mail(91)), kept);
    assert_eq!(world.remind(buyer(92), mail(92)), Done::Full);
    // A place that was left can be taken.
    let back = Order::TakeBack { buyer: buyer(0), campaign: DROP, channel: None };
    assert_eq!(world.order(back), Done::Gone(1));
    assert_eq!(world.remind(buyer(92), family()), kept);
}

#[test]
fn a_new_address_takes_the_place_of_the_old_one() {
    let mut world = World::new();
    world.remind(buyer(1), mail(1));
    assert_eq!(world.remind(buyer(1), mail(2)), Done::Kept { new: false, state: State::Waiting });
    world.at(600_000);
    let jobs = world.due();
    assert_eq!((jobs.len(), &jobs[0].address), (1, &mail(2)));
}
