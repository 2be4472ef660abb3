//! The PHP of the documentation, run as it stands there: a buyer is signed in by the shop's token, and a paid
//! order is told of with a signed notice. What a shop would bring (WordPress' functions, an order) is played.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use toml::Table;

const DOCUMENT: &str = "docs/shops/woocommerce.md";
const JWT_SECRET: &str = "a-secret-that-shop-and-sale-both-know-0123";
const WHSEC: &str = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0";
const OPERATOR: &str = "operator-operator-operator-operator-0123";

/// What WordPress and WooCommerce would be. The address of the snippet is answered by the server under test.
const SHOP: &str = r#"<?php
declare(strict_types=1);
error_reporting(E_ALL);
set_error_handler(function ($kind, $text) { fwrite(STDERR, "$text\n"); exit(3); });
define('ONRUSH_JWT_SECRET', getenv('JWT_SECRET'));
define('ONRUSH_WHSEC', getenv('WHSEC'));
function home_url() { return 'https://shop.example'; }
function get_current_user_id() { return 7; }
function wp_remote_post($url, $args) {
    $lines = array_map(fn($name, $value) => "$name: $value", array_keys($args['headers']), $args['headers']);
    $http = ['method' => 'POST', 'header' => $lines, 'content' => $args['body'], 'ignore_errors' => true];
    $url = str_replace('https://sale.shop.example', getenv('SALE'), $url);
    echo file_get_contents($url, false, stream_context_create(['http' => $http]));
}
$order = new class {
    function get_id() { return 1042; }
    function get_meta($name) { return $name === '_onrush_reservation' ? getenv('RESERVATION') : ''; }
    function get_transaction_id() { return 'ch_77'; }
    function get_total() { return '189.00'; }
    function get_currency() { return 'EUR'; }
};
"#;

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(DOCUMENT);
    std::fs::read_to_string(path).expect("the document")
}

/// Return the document's blocks of a language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts = document.split(&fence).skip(1);
    parts.map(|part| part.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// A shop's scripts, and the sale behind it.
struct World {
    dir: tempfile::TempDir,
    child: Child,
    public: String,
    admin: String,
}

impl World {
    /// Start the document's configuration, open, and without its line: whoever is signed in may reserve.
    fn start() -> World {
        let dir = tempfile::tempdir().expect("a folder");
        let block = blocks(&document(), "toml").into_iter().next().expect("a configuration");
        let mut config: Table = block.parse().expect("TOML");
        let campaign = config["campaigns"][0].as_table_mut().expect("a campaign");
        campaign.remove("line").expect("the document has one");
        campaign.remove("closes_at");
        campaign.insert("opens_at".to_owned(), "1970-01-02T00:00:00Z".into());
        let text = toml::to_string(&config).expect("TOML");
        std::fs::write(dir.path().join("onrush.toml"), text).expect("written");
        for (name, text) in [
            ("jwt-secret", JWT_SECRET),
            ("woo-whsec", WHSEC),
            ("woo-key", "woocommerce-woocommerce-woocommerce-0123"),
            ("operator-key", OPERATOR),
        ] {
            std::fs::write(dir.path().join(name), text).expect("written");
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_onrush"))
            .args(["serve", "--config", "onrush.toml", "--data", "data", "--until-stdin-closes"])
            .current_dir(dir.path())
            .env("ONRUSH_PUBLIC", "127.0.0.1:0")
            .env("ONRUSH_ADMIN", "127.0.0.1:0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line).expect("where it listens");
        let address = |side: &str| ready[side].as_str().expect("an address").to_owned();
        World { public: address("public"), admin: address("admin"), child, dir }
    }

    fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// Run a snippet in the shop, and return what it says.
    fn run(&self, snippet: &str, after: &str, variables: &[(&str, &str)]) -> String {
        let script = self.script("shop.php", &format!("{SHOP}{snippet}{after}"));
        let output = php()
            .arg(script)
            .env("JWT_SECRET", JWT_SECRET)
            .env("WHSEC", WHSEC)
            .env("SALE", format!("http://{}", self.public))
            .envs(variables.iter().copied())
            .output()
            .expect("php runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{snippet}\n{said}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Ask the server, and return the head and the body.
    fn ask(&self, to: &str, request: &str, headers: &str, body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(to).expect("it listens");
        let length = body.len();
        write!(
            stream,
            "{request} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
        .expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        (head.to_owned(), body.to_owned())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn php() -> Command {
    let found = Command::new("php").arg("--version").output();
    let how = "install php-cli, or run `cargo xtask test setup`";
    assert!(found.is_ok_and(|output| output.status.success()), "php is missing: {how}");
    Command::new("php")
}

#[test]
fn the_shops_php_signs_buyers_in_and_tells_of_payments() {
    let world = World::start();
    let snippets = blocks(&document(), "php");
    let [sign_in, paid] = &snippets[..] else { panic!("{} blocks of PHP", snippets.len()) };
    for snippet in [sign_in, paid] {
        let script = world.script("lint.php", &format!("<?php\n{snippet}"));
        let linted = php().arg("-l").arg(script).output().expect("php runs");
        assert!(linted.status.success(), "{}", String::from_utf8_lossy(&linted.stdout));
    }

    let token = world.run(sign_in, "\necho $token;", &[]);
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let (head, _) =
        world.ask(&world.public, "POST /drop/drop/signin", form, &format!("token={token}"));
    assert!(head.starts_with("HTTP/1.1 303"), "{head}");
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: onrush_session="));
    let cookie = cookie.and_then(|rest| rest.split(';').next()).expect("a session");
    let headers = format!(
        "cookie: onrush_session={cookie}\r\norigin: https://shop.example\r\nidempotency-key: k1\r\n\
         content-type: application/json\r\n"
    );
    let reserve = "POST /v1/campaigns/drop/reservations";
    let (head, body) = world.ask(&world.public, reserve, &headers, r#"{"sku":"sneaker-42"}"#);
    assert!(head.starts_with("HTTP/1.1 201"), "{head}\n{body}");
    let held: Value = serde_json::from_str(&body).expect("a reservation");
    let id = held["id"].as_str().expect("its name");

    let wrong = "whsec_d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmc=";
    let refused = world.run(paid, "", &[("RESERVATION", id), ("WHSEC", wrong)]);
    assert!(refused.contains(r#""code":"unauthenticated""#), "{refused}");
    for _ in 0..2 {
        let told = world.run(paid, "", &[("RESERVATION", id)]);
        let told: Value = serde_json::from_str(&told).unwrap_or_else(|e| panic!("{e}: {told}"));
        assert_eq!((&told["id"], &told["state"]), (&held["id"], &"sold".into()), "{told}");
    }
    let key = format!("authorization: Bearer {OPERATOR}\r\n");
    let (_, refunds) = world.ask(&world.admin, "GET /admin/v1/refunds", &key, "");
    let refunds: Value = serde_json::from_str(&refunds).expect("JSON");
    assert_eq!(refunds["refunds"], Value::Array(Vec::new()), "paid once, and in full");
}
