//! Reading configurations: what is accepted, and what errors and dangers say.

use onrush::{DurationMs, Name, Timestamp};
use onrush_gateway::config::{Config, Listen, OnFailure, Scope, check};
use onrush_gateway::wire::parse_timestamp;

const EXAMPLE: &str = include_str!("../../../onrush.example.toml");

fn parse(text: &str) -> Result<Config, String> {
    Config::parse("onrush.toml", text).map_err(|errors| errors.to_string())
}

/// Uncomment the lines of the example that show a field or a table.
fn uncommented() -> String {
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix("# ") {
        Some(rest) if rest.starts_with('[') || is_field(rest) => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn is_field(line: &str) -> bool {
    line.split_once(" = ")
        .is_some_and(|(name, _)| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
}

#[test]
fn the_example_shows_the_defaults() {
    let shown = parse(EXAMPLE).expect("the example is valid");
    let now = Timestamp(0);
    let default = check(&Config::default(), now).effective;
    assert_eq!(default["identity"]["leeway"], "30s");
    assert_eq!(default["identity"]["jwks_refresh"], "5m");
    assert_ne!(default["server"]["workers"], 0, "the number that will serve");
    assert_eq!(check(&shown, now).effective, default);
}

#[test]
fn the_example_is_valid_with_everything_in_it() {
    let config = parse(&uncommented()).expect("valid");
    assert_eq!(config.api_keys[0].scope, [Scope::Reserve, Scope::Confirm]);
    assert_eq!(config.payments[0].provider, Name::new("acme").expect("name"));
    assert_eq!(config.sessions.keys[0].id, 1);
    let campaign = &config.campaigns[0];
    let opens_at = parse_timestamp("2026-12-01T12:00:00Z").expect("a time");
    assert_eq!(campaign.opens_at.map(|when| when.0), Some(opens_at));
    assert_eq!(campaign.hold.0, DurationMs::from_secs(300));
    assert_eq!((campaign.skus[0].supply, campaign.waves[0].quantity), (500, 200));
    let line = campaign.line.as_ref().expect("a line");
    assert_eq!((line.tiers.len(), line.tiers[1].weight, line.outflow.per_second), (2, 3, Some(50)));
    assert_eq!(line.eligibility.as_ref().map(|hook| hook.on_failure), Some(OnFailure::Refuse));
    let offer = campaign.waitlist.as_ref().expect("shown").offer.0;
    assert_eq!(offer, DurationMs::from_secs(120));
    // Every field of the contract's sections appears in the example.
    let effective = check(&config, Timestamp(0)).effective;
    for (section, fields) in effective.as_object().expect("a map") {
        for field in fields.as_object().into_iter().flatten().map(|(name, _)| name) {
            let shown = EXAMPLE.contains(&format!("{field} = "))
                || EXAMPLE.contains(&format!("{section}.{field}]"));
            assert!(shown, "{section}.{field} is not in the example");
        }
    }
}

#[test]
fn times_may_be_texts_or_toml_times() {
    for time in
        ["\"2026-12-01T20:00:00+08:00\"", "2026-12-01T20:00:00+08:00", "2026-12-01 12:00:00Z"]
    {
        let text = format!("[[campaigns]]\ncampaign = \"a\"\nopens_at = {time}\n");
        let config = parse(&text).expect(time);
        let opens_at = config.campaigns[0].opens_at.expect("set").0;
        assert_eq!(opens_at, parse_timestamp("2026-12-01T12:00:00Z").expect("a time"), "{time}");
    }
}

#[test]
fn errors_name_the_line_and_the_remedy() {
    let campaign = |line: &str| format!("[[campaigns]]\ncampaign = \"a\"\n{line}\n");
    let line = |line: &str| campaign(&format!("[campaigns.line]\n{line}"));
    let tier = |line: &str| format!("[[campaigns.line.tiers]]\nname = \"t\"\n{line}\n");
    let hook = |url: &str, deadline: &str| {
        format!(
            "eligibility = {{ url = \"{url}\", deadline = \"{deadline}\", on_failure = \"admit\" }}"
        )
    };
    for (text, place, remedy) in [
        ("[listen]\npublik = \"x\"\n".to_owned(), "line 2, column 1", "unknown field"),
        ("[server]\n\n\nidle_timeout = 60\n".to_owned(), "line 4, column 16", "with units"),
        (
            "[server]\nidle_timeout = \"60\"\n".to_owned(),
            "line 2, column 16",
            "write numbers with units",
        ),
        ("[server]\nidle_timeout = \"5 minutes\"\n".to_owned(), "line 2", "\"5m\""),
        ("[server]\nworkers = -1\n".to_owned(), "line 2, column 11", "integer"),
        ("[listen]\npublic = \"8080\"\n".to_owned(), "line 2, column 10", "127.0.0.1:8080"),
        ("[listen\n".to_owned(), "line 1", ""),
        ("[server]\naccept = \"fair\"\n".to_owned(), "line 2", "handoff"),
        (campaign("hold = 300"), "line 3, column 8", "with units"),
        (campaign("hold = \"8d\""), "line 1", "between 1s and 7d"),
        (campaign("opens_at = 2026-12-01T20:00:00"), "line 3, column 12", "offset"),
        (campaign("opens_at = 2026-12-01"), "line 3, column 12", "offset"),
        (campaign("opens_at = \"tomorrow\""), "line 3, column 12", "2026-12-01T20:00:00+08:00"),
        (campaign("limit_per_buyer = 0"), "line 1", "must be 1 or more"),
        (campaign("currency = \"rmb\""), "line 3, column 12", "three upper-case letters"),
        (campaign("[[campaigns.skus]]\nsku = \"a b\"\nprice = 1"), "line 4, column 7", "letters"),
        (campaign("[[campaigns.skus]]\nsku = \"a\"\nprice = 1.5"), "line 5, column 9", "float"),
        (campaign("[[campaigns.skus]]\nsku = \"a\"\n"), "line 3", "price"),
        ("[[campaigns]]\n".to_owned(), "line 1", "give the campaign a name"),
        (campaign("") + &campaign(""), "line 4", "appears twice"),
        (
            "[[api_keys]]\nname = \"a\"\nscope = \"root\"\nsecret_file = \"f\"\n".to_owned(),
            "line 3",
            "admin",
        ),
        (
            "[[api_keys]]\nname = \"a\"\nscope = []\nsecret_file = \"f\"\n".to_owned(),
            "line 1",
            "scope",
        ),
        (
            "[[api_keys]]\nname = \"a\"\nsecret = \"f\"\n".to_owned(),
            "line 3, column 1",
            "unknown field",
        ),
        (
            "[[payments]]\nprovider = \"a\"\nsecret_files = []\n".to_owned(),
            "line 1",
            "at least one",
        ),
        ("[listen]\ntrusted_proxies = [\"10.0.0.0/99\"]\n".to_owned(), "line 2", "10.0.0.0/8"),
        ("[sessions]\nttl = \"1w\"\n".to_owned(), "line 2, column 7", "ms, s, m, h, d"),
        ("dev = true\n".to_owned(), "line 1, column 1", "unknown field"),
        (line("pass = \"0s\""), "line 1", "line.pass"),
        (line("public_value = \"a lottery\""), "line 1", "line.public_value: plan draw_at"),
        (line("outflow = { per_second = 0 }"), "line 1", "line.outflow.per_second"),
        (line("outflow = { per_minute = 1 }"), "line 4, column 13", "unknown field"),
        (line("invite_only = true"), "line 1", "nobody could join"),
        (line("waiting_page = \"/wait\""), "line 1", "https://wait.shop.example/"),
        (line("return_origins = [\"*\"]"), "line 1", "line.return_origins"),
        (line(&hook("https://a/", "1s")), "line 1", "a proxy beside"),
        (line(&hook("http://a/", "11s")), "line 1", "between 1ms and 10s"),
        (line("eligibility = { url = \"http://a/\" }"), "line 4", "on_failure"),
        (line(&tier("groups = [\"gold\"]")), "line 1", "identity.groups"),
        (line(&tier("invites = \"vip\"")), "line 1", "invite_lists"),
        (line(&tier("weight = 256")), "line 6, column 10", "u8"),
        (line(&tier("after = \"1h\"")), "line 1", "one tier must enter when the sale opens"),
        (line(&(tier("") + &tier(""))), "line 1", "only one can be everybody"),
    ] {
        let error = parse(&text).expect_err(&text);
        assert!(error.starts_with("onrush.toml: "), "{error}");
        assert!(error.contains(place) && error.contains(remedy), "{text}{error}");
    }
    for (text, field) in [
        ("[identity]\nsecret_file = \"x\"\n", "identity.issuer"),
        ("[cors]\norigins = [\"*\"]\n", "cors.origins"),
        ("[cors]\norigins = [\"https://shop.example/\"]\n", "cors.origins"),
        ("[server]\nconnections_max = 0\n", "server.connections_max"),
        ("[line]\nkey_period = \"59s\"\n", "line.key_period"),
        ("[line]\nkey_overlap = \"8d\"\n", "line.key_overlap"),
        ("[line]\nissuer = \"\"\n", "line.issuer"),
        ("[line]\nhandoff_ttl = \"2h\"\n", "line.handoff_ttl"),
        ("[notify]\nper_second = 0\n", "notify.per_second"),
        ("[notify]\nlead = \"8d\"\n", "notify.lead"),
        (
            "[notify.webhook]\nurl = \"https://a.example/\"\nsecret_files = [\"x\"]\n",
            "notify.public_url",
        ),
        (
            "[notify]\npage = \"/x\"\n[notify.mail]\nserver = \"a:25\"\nfrom = \"a\"\n",
            "notify.page",
        ),
        ("[notify.mail]\nserver = \"smtp.example\"\nfrom = \"a\"\n", "notify.mail.server"),
        ("[notify.mail]\nserver = \"a:25\"\nfrom = \"a\"\nuser = \"b\"\n", "notify.mail.user"),
        ("[notify.webhook]\nurl = \"a\"\nsecret_files = []\n", "notify.webhook.secret_files"),
        ("[notify.mail]\nserver = \"a:25\"\nfrom = \"shop\"\n", "notify.mail.from"),
        ("[[sessions.keys]]\nid = 0\nsecret_file = \"x\"\n", "sessions.keys.id"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.contains(field), "{error}");
    }
}

#[test]
fn several_errors_come_together() {
    let text = "[[campaigns]]\ncampaign = \"a\"\nlimit_per_buyer = 0\n\
                [[campaigns]]\ncampaign = \"b\"\nhold = \"1ms\"\n";
    let error = parse(text).expect_err("two errors");
    assert_eq!(error.lines().count(), 2, "{error}");
    assert!(error.contains("line 1,") && error.contains("line 4,"), "{error}");
}

#[test]
fn files_are_found_beside_the_configuration_and_the_environment_wins() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("onrush.toml");
    let missing = Config::load(&path).expect_err("missing").to_string();
    assert!(missing.contains("cannot be read") && missing.contains("--config"), "{missing}");
    std::fs::write(&path, uncommented()).expect("write");
    let mut config = Config::load(&path).expect("loads");
    assert_eq!(config.api_keys[0].secret_file, dir.path().join("shop-key"));
    assert_eq!(config.identity.jwks_file, Some(dir.path().join("jwks.json")));
    let set = |name: &str| (name == "ONRUSH_PUBLIC").then(|| "[::1]:0".to_owned());
    config.apply_env(set).expect("an address");
    assert_eq!(config.listen.public, "[::1]:0".parse::<Listen>().expect("address"));
    let bad = config.apply_env(|name| (name == "ONRUSH_ADMIN").then(|| "9090".to_owned()));
    let bad = bad.expect_err("no address").to_string();
    assert!(bad.contains("ONRUSH_ADMIN") && bad.contains("127.0.0.1:8080"), "{bad}");
}

#[test]
fn dangers_are_named() {
    let now = parse_timestamp("2026-12-01T12:00:00Z").expect("a time");
    let dangers = |text: &str| -> Vec<String> {
        let report = check(&parse(text).expect("valid"), now);
        report.dangers.iter().map(|danger| danger.field.clone()).collect()
    };
    let has = |text: &str, field: &str| {
        let found = dangers(text);
        assert!(found.iter().any(|found| found == field), "{field} not in {found:?} for {text}");
    };
    let fine = "[identity]\nissuer = \"a\"\naudience = \"b\"\nsecret_file = \"s\"\n\
                [[api_keys]]\nname = \"ops\"\nscope = \"admin\"\nsecret_file = \"k\"\n\
                [[campaigns]]\ncampaign = \"c\"\nopens_at = 2026-12-01T13:00:00Z\n\
                closes_at = 2026-12-01T14:00:00Z\n\
                [[campaigns.skus]]\nsku = \"u\"\nprice = 1\nsupply = 10\n";
    assert_eq!(dangers(fine), Vec::<String>::new());
    has("", "identity");
    has("", "api_keys");
    has("[listen]\npublic = \"0.0.0.0:80\"\n", "listen.public");
    has("[listen]\nadmin = \"0.0.0.0:90\"\n", "listen.admin");
    has("[listen]\ntls_proxy = true\n", "listen.trusted_proxies");
    has("[listen]\ntrusted_proxies = [\"0.0.0.0/0\"]\n", "listen.trusted_proxies");
    has("[sessions]\nttl = \"2d\"\n", "sessions.ttl");
    has("[cors]\norigins = [\"http://shop.example\"]\n", "cors.origins");
    let notify = |lines: &str, mail: &str| {
        format!(
            "[notify]\npage = \"https://a.example\"\npublic_url = \"https://b.example\"\n{lines}\
             [notify.mail]\nserver = \"smtp.a.example:25\"\nfrom = \"a@a.example\"\n{mail}"
        )
    };
    let safe = fine.to_owned() + &notify("", "");
    assert_eq!(dangers(&safe), Vec::<String>::new());
    has(&notify("lead = \"30s\"\n", ""), "notify.lead");
    has(&notify("", "").replace("https://b", "http://b"), "notify.public_url");
    has(&notify("", "tls = \"none\"\n"), "notify.mail.tls");
    let push = "[notify.push]\nkey_file = \"k\"\nsubject = \"mailto:a@b\"\nallow_private = true\n";
    has(&notify("", push), "notify.push.allow_private");
    let webhook = "[notify.webhook]\nurl = \"http://c.example/\"\nsecret_files = [\"s\"]\n";
    has(&notify("", webhook), "notify.webhook.url");
    let campaign = |line: &str| fine.replace("opens_at = 2026-12-01T13:00:00Z\n", line);
    has(&campaign(""), "campaigns.c.opens_at");
    has(&campaign("opens_at = 2026-12-01T11:59:59Z\n"), "campaigns.c.opens_at");
    has(&campaign("opens_at = 2026-12-01T13:00:00Z\nhold = \"61m\"\n"), "campaigns.c.hold");
    has(&campaign("limit_per_buyer = 10\n"), "campaigns.c.limit_per_buyer");
    let slow = campaign("hold = \"1m\"\n")
        .replace("[[campaigns.skus", "[campaigns.waitlist]\n[[campaigns.skus");
    has(&slow, "campaigns.c.waitlist.offer");
    has(&fine.replace("supply = 10", "supply = 0"), "campaigns.c.skus.u.supply");
    has(&fine.replace("price = 1\n", "price = 0\n"), "campaigns.c.skus.u.price");
    let line = |text: &str| fine.to_owned() + "[campaigns.line]\n" + text + "\n";
    has(&line(""), "campaigns.c.line.public_value");
    has(&line(""), "campaigns.c.line.tiers");
    has(&line("grace = \"0s\""), "campaigns.c.line.grace");
    has(&line("waiting_page = \"http://a/\""), "campaigns.c.line.waiting_page");
    has(&line("waiting_page = \"https://a/\""), "campaigns.c.line.return_origins");
    has(&line("return_origins = [\"http://a\"]"), "campaigns.c.line.return_origins");
    let good = line("public_value = \"a lottery\"").replace(
        "opens_at = ",
        "preheat_at = 2026-12-01T11:00:00Z\ndraw_at = 2026-12-01T12:30:00Z\nopens_at = ",
    );
    assert_eq!(dangers(&good), Vec::<String>::new());
    let over = fine.replace("T13", "T10").replace("T14", "T11");
    has(&over, "campaigns.c.closes_at");
}

#[test]
fn the_dev_campaign_is_open_and_says_it_is_dangerous() {
    let config = Config::dev(1_000, 2, DurationMs::from_secs(60));
    let report = check(&config, Timestamp(1_800_000_000_000));
    assert!(report.dangers.iter().any(|danger| danger.field == "--dev"));
    assert_eq!(report.effective["campaigns"][0]["campaign"], "demo");
    assert_eq!(report.effective["campaigns"][0]["skus"][0]["sku"], "unit");
    assert_eq!(report.effective["campaigns"][0]["skus"][0]["price"], 100);
    assert_eq!(report.effective["campaigns"][0]["hold"], "1m");
    assert_eq!(report.effective["campaigns"][0]["limit_per_buyer"], 2);
}
