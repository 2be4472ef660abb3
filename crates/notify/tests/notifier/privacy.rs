//! Addresses: never in clear, gone when they are not needed, unreadable once erased.

use crate::world::{DROP, OPENS, World, buyer, facts, mail, remind};
use onrush_notify::{Address, Channel, Done, Order, Outcome, Stage, State};
use onrush_types::CampaignIx;

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn no_file_holds_an_address_in_clear() {
    let mut world = World::new();
    world.crowd(50);
    let reference = Address::webhook("canary-customer-77").expect("a reference");
    world.remind(buyer(99), reference);
    let openid = Address::wechat("canary_openid_0000001").expect("an openid");
    world.remind(buyer(98), openid);
    let bytes = world.bytes();
    assert!(bytes.len() > 4_096, "there is something to look at");
    for canary in ["canary", "people.example", "customer-77", "openid"] {
        assert!(!holds(&bytes, canary), "{canary}");
    }
    let mut world = world.crash();
    world.at(600_000);
    while world.count(State::Waiting) > 0 {
        let jobs = world.due();
        assert!(jobs.iter().all(|job| !format!("{job:?}").contains("canary")));
        let ended: Vec<_> = jobs.iter().map(|job| (job.key, Outcome::Sent)).collect();
        world.finish(&ended);
        world.advance(100);
    }
    assert_eq!(world.count(State::Sent), 52);
    assert!(!holds(&world.bytes(), "canary"));
    // Nobody has a live reminder, so nobody has a key.
    let keys = std::fs::read(world.dir.path().join("reminders.keys")).expect("keys");
    assert!(!keys.is_empty() && keys.iter().all(|byte| *byte == 0));
}

#[test]
fn erasing_destroys_the_key_that_old_pages_would_need() {
    let mut world = World::new();
    world.crowd(3);
    let keys = |world: &World| {
        let bytes = std::fs::read(world.dir.path().join("reminders.keys")).expect("keys");
        bytes.chunks(64).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let before = keys(&world);
    assert_eq!(before.len(), 3);
    assert_eq!(world.order(Order::Erase { buyer: buyer(1) }), Done::Gone(1));
    let after = keys(&world);
    let destroyed: Vec<usize> =
        (0..3).filter(|slot| after[*slot].iter().all(|byte| *byte == 0)).collect();
    assert_eq!(destroyed.len(), 1);
    let wrapped = &before[destroyed[0]][..60];
    assert!(!world.bytes().windows(60).any(|window| window == wrapped), "nowhere any more");
    // The others still get theirs, whoever takes the slot.
    world.remind(buyer(7), mail(7));
    assert_eq!(keys(&world).len(), 3, "the slot is used again");
    let mut world = world.crash();
    world.at(600_000);
    let mut told: Vec<Address> = world.due().iter().map(|job| job.address.clone()).collect();
    told.sort_by_key(|address| match address {
        Address::Mail(text) => text.clone(),
        _ => String::new(),
    });
    assert_eq!(told, [mail(0), mail(2), mail(7)]);
    assert_eq!(world.order(Order::Erase { buyer: buyer(1) }), Done::Gone(0), "again: nothing");
}

#[test]
fn a_key_that_was_destroyed_before_a_crash_takes_its_reminders_along() {
    let mut world = World::new();
    world.crowd(2);
    let World { notifier, dir, .. } = world;
    drop(notifier);
    // Between S1 and S2: the slot is overwritten, the database does not know yet.
    let path = dir.path().join("reminders.keys");
    let mut bytes = std::fs::read(&path).expect("keys");
    bytes[..64].fill(0);
    std::fs::write(&path, bytes).expect("write");
    let store = onrush_notify::Store::open(dir.path(), &[5; 32]).expect("opens");
    assert_eq!(store.len(), 1);
    let tally = store.figures().of(DROP);
    assert_eq!(tally[Channel::Mail as usize][State::Waiting as usize], 1);
}

#[test]
fn leaving_stops_one_channel_everywhere_and_taking_back_one_campaign() {
    let other = CampaignIx(9);
    let setup = || {
        let mut world = World::new();
        world.set(other, facts(Some(OPENS), Stage::Before));
        let reference = || Address::webhook("ann").expect("a reference");
        for campaign in [DROP, other] {
            world.order(remind(buyer(1), campaign, mail(1)));
            world.order(remind(buyer(1), campaign, reference()));
        }
        world.order(remind(buyer(2), DROP, mail(2)));
        world
    };
    let left = |world: &mut World| {
        world.at(600_000);
        let mut left: Vec<_> = Vec::new();
        for _ in 0..10 {
            let jobs = world.due();
            left.extend(
                jobs.iter().map(|job| (job.key.buyer.0[3], job.key.campaign.0, job.key.channel)),
            );
            world.advance(1_000);
        }
        left.sort();
        left
    };
    let mut world = setup();
    let order = Order::Unsubscribe { buyer: buyer(1), channel: Channel::Mail };
    assert_eq!(world.order(order), Done::Gone(2));
    assert_eq!(
        left(&mut world),
        [(1, 3, Channel::Webhook), (1, 9, Channel::Webhook), (2, 3, Channel::Mail)]
    );
    let mut world = setup();
    let channel = Some(Channel::Webhook);
    let order = Order::TakeBack { buyer: buyer(1), campaign: DROP, channel };
    assert_eq!(world.order(order), Done::Gone(1));
    let order = Order::TakeBack { buyer: buyer(1), campaign: other, channel: None };
    assert_eq!(world.order(order), Done::Gone(2));
    assert_eq!(left(&mut world), [(1, 3, Channel::Mail), (2, 3, Channel::Mail)]);
    let mut world = setup();
    assert_eq!(world.order(Order::Erase { buyer: buyer(1) }), Done::Gone(4));
    assert_eq!(left(&mut world), [(2, 3, Channel::Mail)]);
}

#[test]
fn what_is_erased_while_it_is_under_way_stays_erased() {
    let mut world = World::new();
    world.crowd(1);
    world.at(600_000);
    let jobs = world.due();
    assert_eq!(world.order(Order::Erase { buyer: buyer(0) }), Done::Gone(1));
    world.finish(&[(jobs[0].key, Outcome::Later { after: None, why: "busy" })]);
    world.advance(10_000);
    assert!(world.due().is_empty());
    assert!(State::ALL.iter().all(|state| world.count(*state) == 0));
}
