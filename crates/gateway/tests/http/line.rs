//! The line from joining to buying, and what everybody sees on the way.

use crate::client::ask;
use crate::queue::{
    UNTIL_OPEN_MS, figure, join, poll, post, reserve_with, serving, settled, ticket, until,
    with_line,
};
use crate::server::Server;
use serde_json::{Value, json};

const REFUSED: &str = "onrush_line_tokens_refused_total";

#[test]
fn from_joining_to_buying() {
    let server = Server::dev();
    with_line(&server, 2, json!({}));
    let first = join(&server, "ann");
    assert_eq!(first.status, 201);
    let again = join(&server, "ann");
    assert_eq!((again.status, again.json()), (200, first.json()), "the same ticket");
    assert_eq!(first.json()["tier"], "everyone");
    assert_eq!(first.text("pseudonym").len(), 32);
    let people = ["ann", "ben", "cat", "dan", "eve"];
    let tickets: Vec<String> = people.iter().map(|buyer| ticket(&server, buyer)).collect();
    let before = poll(&server, &tickets[0]).json();
    assert_eq!((&before["state"], &before["joined"]), (&json!("before_draw"), &json!(5)));
    assert_eq!(before["opens_at"], "2026-12-01T12:10:00.000Z");
    reserve_with(&server, "ann", "k", "x").is_problem("not_open");

    server.clock.advance(UNTIL_OPEN_MS);
    serving(&server, 2);
    let mut served = Vec::new();
    for (buyer, ticket) in people.iter().zip(&tickets) {
        let seen = settled(&server, ticket);
        match seen["state"].as_str() {
            Some("served") => served.push((*buyer, seen["pass"].as_str().expect("p").to_owned())),
            _ => {
                assert_eq!(seen["state"], "waiting");
                assert!(seen["ahead"].as_u64() < Some(3), "{seen}");
                assert_eq!(seen["position"], seen["ahead"].as_u64().expect("number") + 3);
                assert_eq!((&seen["left"], &seen["now_serving"]), (&json!(2), &json!(2)));
                assert!(seen.get("pass").is_none());
            }
        }
    }
    assert_eq!(served.len(), 2, "as many as there are units");

    let [(ann, anns), (ben, bens)] = served.as_slice() else { unreachable!() };
    let none = crate::server::reserve("drop").buyer(ann).key("k").to(server.public);
    let detail = none.is_problem("pass_required")["detail"].to_string();
    assert!(detail.contains("join"), "{detail}");
    reserve_with(&server, ann, "k", "nonsense").is_problem("pass_invalid");
    reserve_with(&server, ann, "k", bens).is_problem("pass_invalid");
    let bought = reserve_with(&server, ann, "k", anns);
    assert_eq!(bought.status, 201, "{}", String::from_utf8_lossy(&bought.body));
    let repeat = reserve_with(&server, ann, "k", anns);
    assert_eq!((repeat.status, repeat.text("id")), (200, bought.text("id")));
    reserve_with(&server, ann, "k2", anns).is_problem("pass_invalid");
    let of_ann = tickets[people.iter().position(|p| p == ann).expect("ann")].as_str();
    assert_eq!(until(&server, of_ann, "used")["state"], "used");
    assert_eq!(reserve_with(&server, ben, "k", bens).status, 201);

    for (reason, count) in [("forged", 2), ("other_buyer", 1), ("replayed", 1), ("altered", 0)] {
        let line = format!("{REFUSED}{{reason=\"{reason}\"}}");
        assert_eq!(figure(&server, &line), count, "{reason}");
    }
    assert_eq!(figure(&server, "onrush_line_joins_total"), 5);
    assert_eq!(figure(&server, "onrush_line_joined{campaign=\"drop\"}"), 5);
    assert_eq!(figure(&server, "onrush_line_now_serving{campaign=\"drop\"}"), 2);
}

#[test]
fn a_ticket_that_is_not_right_is_answered_like_one_that_is_not_there() {
    let server = Server::dev();
    with_line(&server, 2, json!({}));
    server.open_campaign("plain", 1, 1);
    let anns = ticket(&server, "ann");
    ticket(&server, "ben");
    let expected = poll(&server, "x").is_problem("not_found");
    assert!(expected["detail"].as_str().expect("text").contains("join"));
    let path = |ticket: &str| format!("/v1/campaigns/drop/tickets/{ticket}");
    let mut changed = anns.clone().into_bytes();
    changed[40] = if changed[40] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).expect("ASCII");
    for bad in [changed.as_str(), &anns[1..], "..", "%00", "tickets"] {
        assert_eq!(ask("GET", &path(bad)).to(server.public).is_problem("not_found"), expected);
    }
    // Somebody else's, and one that is shown in another campaign.
    let foreign = ask("GET", &path(&anns)).buyer("ben").to(server.public);
    assert_eq!(foreign.is_problem("not_found"), expected);
    assert_eq!(ask("GET", &path(&anns)).buyer("ann").to(server.public).status, 200);
    post(&server, &anns, "return", "ben").is_problem("not_found");
    post(&server, &anns, "handoff", "ben").is_problem("not_found");
    let elsewhere = format!("/v1/campaigns/plain/tickets/{anns}");
    ask("GET", &elsewhere).to(server.public).is_problem("not_found");
    for (campaign, says) in [("none", "check the address"), ("plain", "reserve directly")] {
        let path = format!("/v1/campaigns/{campaign}/tickets");
        let refused = ask("POST", &path).buyer("ann").to(server.public).is_problem("not_found");
        assert!(refused["detail"].as_str().expect("text").contains(says), "{refused}");
    }
    ask("POST", "/v1/campaigns/drop/tickets").to(server.public).is_problem("unauthenticated");
    let body = json!({"groups": ["gold"]});
    let claims = ask("POST", "/v1/campaigns/drop/tickets").buyer("ann").json(&body);
    claims.to(server.public).is_problem("invalid_request");
    server.clock.advance(9 * 3_600_000);
    join(&server, "late").is_problem("ended");
}

#[test]
fn looks_are_cheap_when_nothing_changed() {
    let server = Server::dev();
    with_line(&server, 1, json!({}));
    let anns = ticket(&server, "ann");
    let first = poll(&server, &anns);
    let etag = first.header("etag").expect("ETag").to_owned();
    let path = format!("/v1/campaigns/drop/tickets/{anns}");
    let again = ask("GET", &path).header("if-none-match", &etag).to_head(server.public);
    assert_eq!((again.status, again.body.len()), (304, 0));
    let next: u64 = again.header("onrush-next-poll-ms").expect("said").parse().expect("number");
    // Ten minutes are left: 30 s at most, doubled at most by jitter.
    assert!((30_000..=60_000).contains(&next), "{next}");
    assert_eq!(first.json()["next_poll_ms"].to_string(), {
        let said = first.header("onrush-next-poll-ms");
        said.expect("the same in the header")
    });
    ticket(&server, "ben");
    let changed = ask("GET", &path).header("if-none-match", &etag).to(server.public);
    assert_eq!((changed.status, &changed.json()["joined"]), (200, &json!(2)));
    server.clock.advance(UNTIL_OPEN_MS - 8_000);
    let near = poll(&server, &anns).json()["next_poll_ms"].as_u64().expect("number");
    assert!((1_000..=2_000).contains(&near), "{near}");
    assert_eq!(figure(&server, "onrush_line_polls_unchanged_total"), 1);
}

#[test]
fn a_pass_ends_and_the_place_is_taken_up_again() {
    let server = Server::dev();
    with_line(&server, 1, json!({"pass": "1m", "grace": "2m"}));
    let anns = ticket(&server, "ann");
    server.clock.advance(UNTIL_OPEN_MS);
    let seen = until(&server, &anns, "served");
    let old = seen["pass"].as_str().expect("a pass").to_owned();
    assert_eq!(seen["pass_until"], "2026-12-01T12:11:00.000Z");
    server.clock.advance(60_000);
    reserve_with(&server, "ann", "k", &old).is_problem("pass_invalid");
    let seen = until(&server, &anns, "passed_over");
    assert_eq!(seen["return_until"], "2026-12-01T12:13:00.000Z");
    let back = post(&server, &anns, "return", "ann");
    assert_eq!(back.status, 200, "{}", String::from_utf8_lossy(&back.body));
    server.clock.advance(100);
    let seen = until(&server, &anns, "served");
    let new = seen["pass"].as_str().expect("a pass").to_owned();
    assert_ne!(new, old);
    assert_eq!(reserve_with(&server, "ann", "k", &new).status, 201);
    assert_eq!(figure(&server, &format!("{REFUSED}{{reason=\"stale\"}}")), 1);
    post(&server, &anns, "return", "ann").is_problem("pass_invalid");
}

#[test]
fn pause_and_sold_out_are_told() {
    let server = Server::dev();
    with_line(&server, 1, json!({}));
    let (anns, bens) = (ticket(&server, "ann"), ticket(&server, "ben"));
    server.clock.advance(UNTIL_OPEN_MS);
    serving(&server, 1);
    let is_first = settled(&server, &anns)["state"] == "served";
    let (first, pass_of, second) =
        if is_first { ("ann", &anns, &bens) } else { ("ben", &bens, &anns) };
    let phase = |to: &str| {
        let body = json!({"to": to, "reason": "test"});
        assert_eq!(
            server.operate("POST", "/admin/v1/campaigns/drop/phase", Some(body)).status,
            200
        );
    };
    phase("paused");
    let seen = until(&server, second, "waiting");
    assert_eq!((&seen["paused"], &seen["phase"]), (&json!(true), &json!("paused")));
    let pass = poll(&server, pass_of).json()["pass"].as_str().expect("pass").to_owned();
    reserve_with(&server, first, "k", &pass).is_problem("paused");
    phase("open");
    assert!(until(&server, second, "waiting").get("paused").is_none());
    let held = reserve_with(&server, first, "k", &pass);
    assert_eq!(held.status, 201);
    let confirm = format!("/admin/v1/reservations/{}/confirm", held.text("id"));
    let payment = json!({"method": "card", "amount": 100, "currency": "CNY", "reference": "r"});
    let sold = server.operate("POST", &confirm, Some(json!({"payments": [payment]})));
    assert_eq!(sold.text("state"), "sold");
    let seen = loop {
        let seen = poll(&server, second).json();
        if seen["sold_out"] == json!(true) {
            break seen;
        }
        std::thread::yield_now();
    };
    assert_eq!((&seen["odds"], &seen["left"]), (&json!("none"), &json!(0)));
    assert!(seen["next_poll_ms"].as_u64() >= Some(60_000), "nothing changes soon");
}

#[test]
fn a_place_moves_to_another_device_once() {
    let server = Server::dev();
    with_line(&server, 1, json!({}));
    let anns = ticket(&server, "ann");
    let path = format!("/v1/campaigns/drop/tickets/{anns}/handoff");
    ask("POST", &path).to(server.public).is_problem("unauthenticated");
    let code = post(&server, &anns, "handoff", "ann");
    assert_eq!(code.status, 201);
    assert_eq!(code.text("expires_at"), "2026-12-01T12:02:00.000Z");
    let take =
        |code: &str| ask("POST", "/v1/sessions").json(&json!({"handoff": code})).to(server.public);
    take("0000-0000-0000-0000").is_problem("unauthenticated");
    let session = take(&code.text("handoff"));
    assert_eq!(session.status, 201);
    take(&code.text("handoff")).is_problem("unauthenticated");
    let second = ask("POST", "/v1/campaigns/drop/tickets").bearer(&session.text("session"));
    let second = second.to(server.public);
    assert_eq!((second.status, second.text("ticket")), (200, anns.clone()), "the same place");
    let late = post(&server, &anns, "handoff", "ann").text("handoff");
    server.clock.advance(120_000);
    take(&late).is_problem("unauthenticated");
}

#[test]
fn a_ticket_outlives_its_key_and_a_restart() {
    let hourly = |config: &mut onrush_gateway::Config, generation: u32| {
        let span =
            |minutes: u64| onrush_gateway::config::Span(onrush::DurationMs(minutes * 60_000));
        config.dev = true;
        config.line.key_period = span(60);
        config.line.key_overlap = span(30);
        config.line.key_generation = generation;
    };
    let server = Server::start(|config, _| hourly(config, 0));
    with_line(&server, 1, json!({}));
    let anns = ticket(&server, "ann");
    let number = join(&server, "ann").json()["number"].clone();
    let server = server.restart(|config, _| hourly(config, 0));
    assert_eq!(poll(&server, &anns).status, 200, "keys follow from the data folder");
    server.clock.advance(60 * 60_000);
    let fresh = poll(&server, &anns).text("ticket");
    assert_ne!(fresh, anns);
    assert!(poll(&server, &fresh).json().get("ticket").is_none(), "it is good for long");
    server.clock.advance(30 * 60_000);
    poll(&server, &anns).is_problem("not_found");
    assert_eq!(poll(&server, &fresh).json()["number"], number);
    assert_eq!(figure(&server, &format!("{REFUSED}{{reason=\"stale\"}}")), 1);
    assert_eq!(join(&server, "ann").json()["number"], number, "the same place");
    let server = server.restart(|config, _| hourly(config, 1));
    poll(&server, &fresh).is_problem("not_found");
    assert_eq!(join(&server, "ann").json()["number"], number, "the same place");
}

#[test]
fn a_back_end_shows_passes_for_its_buyers() {
    let server = Server::dev();
    with_line(&server, 1, json!({}));
    let anns = ticket(&server, "ann");
    assert_eq!(
        ask("GET", "/v1/campaigns/drop").to(server.public).json()["policy"]["line"],
        json!(true)
    );
    server.clock.advance(UNTIL_OPEN_MS);
    let pass = until(&server, &anns, "served")["pass"].as_str().expect("a pass").to_owned();
    let entry = |buyer: &str, key: &str, pass: Option<&str>| json!({"sku": "unit", "buyer": buyer, "key": key, "pass": pass});
    let entries =
        [entry("ann", "k", None), entry("ben", "k", Some(&pass)), entry("ann", "l", Some(&pass))];
    let body = json!({"campaign": "drop", "reservations": entries});
    let batch = server.operate("POST", "/admin/v1/reservations:batch", Some(body)).json();
    let outcomes = batch["outcomes"].as_array().expect("outcomes");
    assert_eq!(outcomes[0]["problem"]["code"], "pass_required");
    assert_eq!(outcomes[1]["problem"]["code"], "pass_invalid");
    assert_eq!(outcomes[2]["status"], 201);
}

/// Give what was answered to the script that sceptics run; return the pseudonyms, the first first.
fn by_another_language(draw: &Value, people: &[Value]) -> Vec<String> {
    let dir = tempfile::tempdir().expect("folder");
    let write = |name: &str, content: &Value| {
        let path = dir.path().join(name);
        std::fs::write(&path, content.to_string()).expect("write");
        path
    };
    let (first, last) = people.split_at(people.len() / 2);
    let files = [
        write("draw.json", draw),
        write("1.json", &json!({"participants": first})),
        write("2.json", &json!({"participants": last})),
    ];
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/verify_draw.py");
    let ran = std::process::Command::new("python3").arg(script).args(files).output();
    let ran = ran.expect("installed by `cargo xtask test setup`");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let printed = String::from_utf8(ran.stdout).expect("UTF-8");
    let second = |line: &str| line.split(' ').nth(1).expect("a pseudonym").to_owned();
    printed.lines().map(second).collect()
}

#[test]
fn what_was_drawn_can_be_drawn_again() {
    use onrush::draw_rule::draw::{Published, Seed, Turn, verify};
    use onrush::draw_rule::{ListDigest, Pseudonym, Weights};
    let server = Server::start(|config, _| {
        config.dev = true;
        config.identity.groups = vec!["gold".to_owned()];
    });
    let tiers = json!([{"name": "all"}, {"name": "gold", "groups": ["gold"], "weight": 3}]);
    let body = json!({
        "preheat_at": "2026-12-01T11:00:00Z", "draw_at": "2026-12-01T12:05:00Z",
        "opens_at": "2026-12-01T12:10:00Z",
        "skus": [{"sku": "unit", "price": 100, "supply": 5}],
        "line": {"tiers": tiers, "public_value": "the lottery of the evening"},
    });
    server.put("drop", body);
    for n in 0..25 {
        let groups: &[&str] = if n % 4 == 0 { &["gold"] } else { &[] };
        let body = json!({"buyer": format!("b-{n}"), "groups": groups});
        let joined = ask("POST", "/v1/campaigns/drop/tickets").bearer(&server.token).json(&body);
        let joined = joined.to(server.public);
        assert_eq!(joined.status, 201);
        assert_eq!(joined.text("tier"), if n % 4 == 0 { "gold" } else { "all" });
    }
    let draw = |query: &str| ask("GET", &format!("/v1/campaigns/drop/draw{query}"));
    let before = draw("").to(server.public).json();
    assert_eq!((&before["state"], &before["weights"]), (&json!("joining"), &json!([1, 3])));
    assert_eq!(before["public_value_source"], "the lottery of the evening");
    assert!(before.get("seed").is_none() && before.get("list_digest").is_none());
    let list = draw("/participants").to(server.public);
    assert_eq!(list.is_problem("not_open")["opens_at"], "2026-12-01T12:05:00.000Z");
    let value = json!({"public_value": "4 8 15 16 23 42", "reason": "drawn on television"});
    let set = || server.operate("POST", "/admin/v1/campaigns/drop/draw", Some(value.clone()));
    assert_ne!(set().status, 200, "too early: people join");
    server.clock.advance(300_000);
    join(&server, "late").is_problem("not_open");
    set().is_problem("overloaded");
    server.clock.advance(1_000);
    let closed = || draw("").to(server.public).json();
    crate::chain::until(|| closed()["state"] == "closed");
    let closed = closed();
    assert_eq!((&closed["count"], closed.get("seed")), (&json!(25), None));
    let early = draw("/participants?limit=25").to(server.public).json();
    let answer = set();
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(draw("").to(server.public).json()["public_value"], "4 8 15 16 23 42");
    server.clock.advance(299_000);
    serving(&server, 5);

    let after = draw("?lane=0").to(server.public).json();
    assert_eq!((&after["commitment"], &after["count"]), (&before["commitment"], &json!(25)));
    assert_eq!(after["public_value"], "4 8 15 16 23 42");
    assert_eq!(after["list_digest"], closed["list_digest"], "nobody came to it with the value");
    let mut people: Vec<Value> = Vec::new();
    let mut next = String::new();
    loop {
        let page = draw(&format!("/participants?limit=10{next}")).to(server.public).json();
        people.extend(page["participants"].as_array().expect("a list").clone());
        match page["next_after"].as_u64() {
            Some(after) => next = format!("&after={after}"),
            None => break,
        }
    }
    assert_eq!(early["participants"], json!(people));
    let bytes = |value: &Value| -> Vec<u8> {
        let text = value.as_str().expect("digits");
        let at = |n: usize| u8::from_str_radix(&text[n..n + 2], 16).expect("hexadecimal");
        (0..text.len()).step_by(2).map(at).collect()
    };
    let fixed = |value: &Value| -> [u8; 32] { bytes(value).try_into().expect("32 bytes") };
    let participants: Vec<(Pseudonym, u8)> = people
        .iter()
        .map(|one| {
            let class = one[1].as_u64().expect("a class") as u8;
            (Pseudonym(bytes(&one[0]).try_into().expect("16 bytes")), class)
        })
        .collect();
    let turn = u64::from_be_bytes(bytes(&after["turn"]).try_into().expect("8 bytes"));
    let published = Published {
        rule: after["rule"].as_str().expect("the rule").to_owned(),
        commitment: fixed(&after["commitment"]),
        seed: Seed(fixed(&after["seed"])),
        list_digest: ListDigest(fixed(&after["list_digest"])),
        public_value: Some("4 8 15 16 23 42".to_owned()),
        turn: Turn(turn),
        weights: Weights::new(&[1, 3]).expect("weights"),
        participants: participants.clone(),
    };
    let drawing = verify(&published).expect("it holds");
    // Who was called up is who the draw put first.
    let campaign = server.engine.campaign("drop").expect("campaign");
    for (rank, &index) in drawing.order.iter().enumerate() {
        let name = format!("b-{index}");
        let pseudonym = server.engine.pseudonym(&campaign, server.engine.buyer(&name));
        assert_eq!(pseudonym, Some(participants[index as usize].0), "the order of joining");
        let body = json!({"buyer": name});
        let again = ask("POST", "/v1/campaigns/drop/tickets").bearer(&server.token).json(&body);
        let state = if rank < 5 { "served" } else { "waiting" };
        until(&server, &again.to(server.public).text("ticket"), state);
    }
    assert_eq!(by_another_language(&after, &people), {
        let shown = |&index: &u32| participants[index as usize].0.to_string();
        drawing.order.iter().map(shown).collect::<Vec<String>>()
    });
    for (query, code) in
        [("?lane=1", "not_found"), ("?lane=x", "invalid_request"), ("?a=1", "invalid_request")]
    {
        draw(query).to(server.public).is_problem(code);
    }
}
