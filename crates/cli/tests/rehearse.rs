//! `onrush rehearse` with a configuration whose hooks are canaries: whoever connects to one is heard.

use serde_json::Value;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// The public key of RFC 8037, A.2.
const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"1",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// The shop, the provider and everybody else who must hear nothing of a rehearsal.
struct Canary {
    address: SocketAddr,
    heard: Arc<AtomicU64>,
}

impl Canary {
    fn listen() -> Canary {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let heard = Arc::new(AtomicU64::new(0));
        let count = heard.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut said = [0; 64];
                let _ = (&stream).read(&mut said);
                // Release: pairs with the load in `heard`.
                count.fetch_add(1, Ordering::Release);
            }
        });
        Canary { address, heard }
    }

    fn heard(&self) -> u64 {
        // Acquire: pairs with the addition in the listener.
        self.heard.load(Ordering::Acquire)
    }
}

fn rehearse(dir: &Path, args: &[&str]) -> Output {
    let data: &[&str] = if args.contains(&"--data") { &[] } else { &["--data", "real"] };
    Command::new(env!("CARGO_BIN_EXE_onrush"))
        .args(["rehearse", "--config", "shop/onrush.toml", "--json"])
        .args([data, args].concat())
        .current_dir(dir)
        .env_remove("ONRUSH_PUBLIC")
        .env_remove("ONRUSH_ADMIN")
        .output()
        .expect("it runs")
}

fn value(output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {stderr}"))
}

fn reason<'a>(value: &'a Value, about: &str) -> &'a Value {
    let reasons = value["reasons"].as_array().expect("a list");
    let found = reasons.iter().find(|reason| reason["about"] == about);
    found.unwrap_or_else(|| panic!("nothing about {about}: {value}"))
}

/// Write a configuration whose every outside address is the canary, and a data folder with something in it.
fn shop(dir: &Path, canary: &Canary) {
    let shop = dir.join("shop");
    std::fs::create_dir_all(&shop).expect("a folder");
    std::fs::create_dir_all(dir.join("real/journal")).expect("a folder");
    std::fs::write(dir.join("real/secret"), "do not read").expect("written");
    std::fs::write(shop.join("key"), "k".repeat(40)).expect("written");
    std::fs::write(shop.join("whsec"), "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0")
        .expect("written");
    // Nobody here has the private key: only a double's token can be taken.
    std::fs::write(shop.join("jwks.json"), JWKS).expect("written");
    let at = canary.address;
    let text = format!(
        r#"
[listen]
public = "127.0.0.1:1"
admin = "127.0.0.1:2"
[notify]
page = "http://{at}/drops/{{campaign}}"
public_url = "http://{at}"
[notify.webhook]
url = "http://{at}/hooks/reminders"
secret_files = ["whsec"]
allow_private = true
[identity]
issuer = "http://{at}"
audience = "drop"
jwks_file = "jwks.json"
[pages]
payment_url = "http://{at}/pay?reservation={{reservation}}"
[[api_keys]]
name = "shop"
scope = ["reserve", "confirm"]
secret_file = "key"
[[payments]]
provider = "acme"
secret_files = ["whsec"]
[[campaigns]]
campaign = "drop"
opens_at = 2030-01-01T20:00:00+08:00
closes_at = 2030-01-01T22:00:00+08:00
hold = "2s"
buyers_expected = 300
[[campaigns.skus]]
sku = "jacket"
price = 129900
supply = 60
[campaigns.line]
pass = "5s"
[campaigns.line.eligibility]
url = "http://{at}/may-join"
on_failure = "refuse"
"#
    );
    std::fs::write(shop.join("onrush.toml"), text).expect("written");
}

#[test]
fn a_crowd_is_played_and_nobody_outside_hears_of_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let canary = Canary::listen();
    shop(dir.path(), &canary);
    let output = rehearse(dir.path(), &["--duration", "2s", "--seed", "5"]);
    let value = value(&output);
    assert_eq!(value["expected"], 300);
    assert_eq!(value["campaign"], "drop");
    assert_eq!(value["run"]["figures"]["arrived"], 300, "{value}");
    assert!(value["run"]["figures"]["sales"].as_u64() > Some(0), "{value}");
    assert_eq!(reason(&value, "books")["weight"], "fine", "{value}");
    for about in ["identity", "payments"] {
        assert_eq!(reason(&value, about)["weight"], "fine", "{value}");
    }
    assert!(reason(&value, "payments")["found"].as_str().is_some_and(|f| f.contains("acme")));
    assert!(!value["run"].to_string().contains("unauthenticated"), "{value}");
    assert!(value["hook_asked"].as_u64() > Some(0), "the double was asked in the shop's place");
    assert!(value["journal_bytes"].as_u64() > Some(512));
    assert_eq!(canary.heard(), 0, "a request reached the real shop");
    let go = value["go"].as_bool().expect("a verdict");
    let stops = value["reasons"].as_array().expect("a list").iter();
    let stops = stops.filter(|reason| reason["weight"] == "stop").count();
    assert_eq!((go, output.status.code()), (stops == 0, Some(i32::from(stops > 0))));
    for about in ["clock", "open files", "disk sync", "free disk", "capacity", "idle stock"] {
        assert!(reason(&value, about)["found"].is_string(), "{about}");
    }
    // The real folder is as it was, and the scratch folder is gone.
    let mut left: Vec<_> = std::fs::read_dir(dir.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    left.sort();
    assert_eq!(left, ["real", "shop"]);
    let secret = std::fs::read_to_string(dir.path().join("real/secret")).expect("still there");
    assert_eq!(secret, "do not read");
    let journal = std::fs::read_dir(dir.path().join("real/journal")).expect("still there");
    assert_eq!(journal.count(), 0);
    assert_eq!(std::fs::read_dir(dir.path().join("real")).expect("there").count(), 2);
}

#[test]
fn a_sale_that_cannot_go_well_is_a_no_go_with_its_reason() {
    let dir = tempfile::tempdir().expect("a folder");
    let canary = Canary::listen();
    // Two hours of sale, and holds of two days: what is not paid at once is never sold.
    shop(dir.path(), &canary);
    let file = dir.path().join("shop/onrush.toml");
    let text = std::fs::read_to_string(&file).expect("written");
    std::fs::write(&file, text.replace("hold = \"2s\"", "hold = \"2d\"")).expect("written");
    let missing = "missing.pem";
    let args =
        ["--duration", "1s", "--expected", "20", "--pay-rate", "0.3", "--certificate", missing];
    let output = rehearse(dir.path(), &args);
    assert_eq!(output.status.code(), Some(1));
    let value = value(&output);
    assert_eq!(value["go"], false);
    let idle = reason(&value, "idle stock");
    assert_eq!(idle["weight"], "stop", "{idle}");
    assert!(idle["found"].as_str().is_some_and(|found| found.contains("70.0 %")), "{idle}");
    assert!(idle["next"].as_str().is_some_and(|next| next.contains("waitlist")), "{idle}");
    assert_eq!(reason(&value, "certificate")["weight"], "stop");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no-go"), "{said}");
    assert_eq!(canary.heard(), 0);
}

#[test]
fn what_is_missing_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let canary = Canary::listen();
    shop(dir.path(), &canary);
    for (args, says) in [
        (&["--campaign", "winter"][..], "no campaign \"winter\""),
        (&["--data", "no/where/data"][..], "--data"),
    ] {
        let output = rehearse(dir.path(), args);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(says), "{said}");
    }
    std::fs::write(dir.path().join("shop/onrush.toml"), "[listen]\n").expect("written");
    let output = rehearse(dir.path(), &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("write the sale there"), "{said}");
}
