use super::look::TEMPLATES;
use super::*;
use crate::gateway::Gateway;
use flate2::Compression;
use onrush_types::DurationMs;

/// Everything that a first visit loads: page, style, script and the worker of the check together.
const BUDGET_BYTES: usize = 14 * 1_024;

fn gateway() -> (tempfile::TempDir, Gateway) {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Engine::open(folder.path(), onrush::Options::default()).expect("an engine");
    let config = Config::dev(5, 1, DurationMs(60_000));
    let gateway = Gateway::new(&config, engine).expect("the templates compile");
    (folder, gateway)
}

#[test]
fn every_text_that_a_template_names_is_there() {
    let texts = Lang::En.texts();
    for (name, source) in TEMPLATES {
        for (at, _) in source.match_indices("t.") {
            let after = source[at + 2..].chars();
            let key: String = after.take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            let before = source[..at].chars().next_back();
            let is_name = before.is_some_and(|c| c == ' ' || c == '(');
            assert!(!is_name || texts.contains_key(&key), "{name}: t.{key}");
        }
    }
}

#[test]
fn every_stage_has_its_texts() {
    let texts = Lang::En.texts();
    for stage in [
        "held",
        "bought",
        "ended",
        "paused",
        "soon",
        "joined",
        "waiting",
        "ranking",
        "served",
        "passed_over",
        "returning",
        "used",
        "lost",
        "join",
        "open",
        "all_held",
        "sold_out",
    ] {
        for part in ["title", "head", "say"] {
            assert!(texts.contains_key(&format!("{part}_{stage}")), "{part}_{stage}");
        }
    }
}

#[test]
fn tokens_of_forms_are_bound_to_their_session() {
    let (_folder, gateway) = gateway();
    let pages = &gateway.pages;
    let (one, later) = (pages.form_token("a", Timestamp(1)), pages.form_token("a", Timestamp(2)));
    assert_ne!(one, later, "another text each time");
    assert!(pages.is_form_token("a", &one) && pages.is_form_token("a", &later));
    assert!(!pages.is_form_token("b", &one), "of another session");
    let (salt, tag) = one.split_once('.').expect("two parts");
    let (_, other_tag) = later.split_once('.').expect("two parts");
    for bad in ["", ".", salt, tag, &format!("{salt}.{other_tag}"), &format!("{salt}.{tag}x")] {
        assert!(!pages.is_form_token("a", bad), "{bad}");
    }
    let key = |session, at, had, sku| pages.idempotency_key(session, Timestamp(at), had, sku);
    assert_eq!(key("a", 1, 0, "x"), key("a", 1, 0, "x"));
    for other in
        [key("a", 2, 0, "x"), key("b", 1, 0, "x"), key("a", 1, 1, "x"), key("a", 1, 0, "y")]
    {
        assert_ne!(key("a", 1, 0, "x"), other);
    }
}

#[test]
fn a_cookie_travels_with_tls_only_unless_there_is_none() {
    let of = |dev| cookie(dev, "a", "b", "/", 5);
    assert_eq!(of(false), "a=b; Path=/; Max-Age=5; HttpOnly; Secure; SameSite=Lax");
    assert_eq!(of(true), "a=b; Path=/; Max-Age=5; HttpOnly; SameSite=Lax");
}

#[test]
fn a_first_visit_stays_within_its_budget() {
    let (_folder, gateway) = gateway();
    let files: usize = ["drop.css", "drop.js", "check.js"]
        .map(|name| gateway.pages.look.assets.compressed_bytes(name))
        .iter()
        .sum();
    // The longest page there can be is shorter than its template with every text in it.
    let template: String = TEMPLATES[..2].iter().map(|(_, source)| *source).collect();
    let texts: String = Lang::Zh.texts().into_values().collect();
    let page = assets::gzip(format!("{template}{texts}").as_bytes(), Compression::fast()).len();
    assert!(files + page <= BUDGET_BYTES, "{files} + {page} bytes");
}

#[test]
fn addresses_lead_to_pages_and_forms() {
    let get = |path| matched(&Method::GET, path);
    let post = |path| matched(&Method::POST, path);
    assert_eq!(get("/drop/a"), Some(Matched::Route(Route::DropPage, "a")));
    assert_eq!(get("/drop/a/draw"), Some(Matched::Route(Route::DrawPage, "a")));
    assert_eq!(get("/drop/a/pay/r1"), Some(Matched::Route(Route::SandboxPage, "a/pay/r1")));
    assert_eq!(post("/drop/a/join"), Some(Matched::Route(Route::DropForm, "a/join")));
    assert_eq!(post("/drop/a"), Some(Matched::Methods(GET)));
    assert_eq!(get("/drop/a/join"), Some(Matched::Methods("POST")));
    for nothing in ["/drop/", "/drop/a/", "/drop//join", "/drop/a/join/x", "/assets/"] {
        assert_eq!(post(nothing), Some(Matched::Nothing), "{nothing}");
    }
    assert_eq!(get("/v1/time"), None);
}

#[test]
fn a_brand_replaces_what_it_has_and_is_told_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Engine::open(folder.path().join("data"), onrush::Options::default());
    let engine = engine.expect("an engine");
    let brand = folder.path().join("brand");
    std::fs::create_dir(&brand).expect("a folder");
    let mut config = Config::dev(5, 1, DurationMs(60_000));
    config.pages.brand = Some(brand.clone());
    let put = |name: &str, text: &str| std::fs::write(brand.join(name), text).expect("written");
    put("texts.en.toml", "brand = \"Acme & Co\"\n");
    put("brand.css", ":root { --main: #123456 }");
    put("logo.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
    let pages = Pages::new(&config, &engine).expect("all of it fits");
    assert_eq!(pages.words(Lang::En).texts["brand"], "Acme & Co");
    assert_eq!(
        pages.words(Lang::Zh).texts["brand"],
        Lang::Zh.texts()["brand"],
        "the other is as it was"
    );
    assert!(
        ["brand.css", "logo.svg"].iter().all(|name| pages
            .look
            .assets
            .addresses()
            .contains_key(name))
    );
    let wrong = |name: &str, text: &str, part: &str| {
        let before = std::fs::read(brand.join(name)).ok();
        put(name, text);
        let error = Pages::new(&config, &engine).expect_err("wrong").to_string();
        assert!(error.contains(part), "{error}");
        match before {
            Some(before) => std::fs::write(brand.join(name), before),
            None => std::fs::remove_file(brand.join(name)),
        }
        .expect("as before");
    };
    wrong("texts.en.toml", "brnad = \"x\"", "brnad");
    wrong("texts.zh.toml", "brand = 1", "texts.zh.toml");
    wrong("drop.html", "{% if %}", "drop.html");
    config.pages.brand = Some(brand.join("none"));
    assert!(Pages::new(&config, &engine).is_err());
}
