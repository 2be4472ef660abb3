//! Every TOML block of the documentation is what it looks like: a configuration that `onrush check` accepts
//! and `onrush serve` starts, a routing policy, a risk policy, or the description of another service.

use onrush_load::target::Target;
use onrush_risk::Policy;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use toml::Table;

/// Sections of a configuration; a block with others only is something else.
const SECTIONS: [&str; 14] = [
    "listen",
    "server",
    "identity",
    "sessions",
    "cors",
    "line",
    "invite_lists",
    "risk",
    "engine",
    "api_keys",
    "payments",
    "notify",
    "pages",
    "campaigns",
];
/// Documents that promise a configuration that was run.
const RUN: [&str; 6] = [
    "docs/quick-start.md",
    "docs/operations.md",
    "docs/shops/woocommerce.md",
    "docs/shops/shopify.md",
    "docs/shops/magento.md",
    "docs/shops/mini-program.md",
];
/// The public key of RFC 8037, A.2.
const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"1",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// Return the Markdown files of the project, by their path from its root.
fn documents() -> Vec<String> {
    let root = root();
    let mut found = vec!["README.md".to_owned(), "README.zh.md".to_owned()];
    let mut folders = vec![root.join("docs"), root.join("examples")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "md") {
                let name = path.strip_prefix(&root).expect("inside").to_string_lossy();
                found.push(name.into_owned());
            }
        }
    }
    found
}

/// Return the TOML blocks of each document.
fn blocks() -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for name in documents() {
        let text =
            std::fs::read_to_string(root().join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let parts = text.split("```toml\n").skip(1);
        let found: Vec<String> =
            parts.map(|part| part.split("```").next().unwrap_or_default().to_owned()).collect();
        all.insert(name, found);
    }
    all
}

fn table(name: &str, block: &str) -> Table {
    block.parse().unwrap_or_else(|e| panic!("{name}: {e}\n{block}"))
}

fn is_configuration(table: &Table) -> bool {
    table.keys().all(|key| SECTIONS.contains(&key.as_str()))
}

fn onrush(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_onrush"))
        .args(args)
        .current_dir(dir)
        .output()
        .expect("it runs")
}

/// Write the files that a configuration names, with contents that pass.
fn write_files(dir: &Path, value: &toml::Value) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let names: Vec<&str> = match value {
                    toml::Value::String(name) if key.ends_with("_file") || key == "file" => {
                        vec![name]
                    }
                    toml::Value::Array(list) if key == "secret_files" => {
                        list.iter().filter_map(toml::Value::as_str).collect()
                    }
                    _ => Vec::new(),
                };
                for name in names {
                    write_file(dir, key, name);
                }
                write_files(dir, value);
            }
        }
        toml::Value::Array(list) => list.iter().for_each(|value| write_files(dir, value)),
        _ => {}
    }
}

fn write_file(dir: &Path, key: &str, name: &str) {
    let text = match key {
        "jwks_file" => JWKS.to_owned(),
        "secret_files" => "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0".to_owned(),
        "file" => "ann\nben\n".to_owned(),
        _ => format!("{:x<40}", name.replace(|c: char| !c.is_ascii_alphanumeric(), "")),
    };
    std::fs::write(dir.join(name), text).expect("written");
}

#[test]
fn every_block_is_what_it_looks_like() {
    let mut seen = 0;
    for (name, blocks) in blocks() {
        for block in blocks {
            let fields = table(&name, &block);
            let dir = tempfile::tempdir().expect("a folder");
            let file = dir.path().join("block.toml");
            std::fs::write(&file, &block).expect("written");
            write_files(dir.path(), &toml::Value::Table(fields.clone()));
            seen += 1;
            if is_configuration(&fields) {
                let check = onrush(dir.path(), &["check", "--config", "block.toml"]);
                let said = String::from_utf8_lossy(&check.stdout).into_owned();
                assert_eq!(check.status.code(), Some(0), "{name}:\n{block}\n{said}");
            } else if fields.contains_key("reserve") {
                Target::read(&block).unwrap_or_else(|e| panic!("{name}: {e}"));
            } else if fields.contains_key("rules") {
                Policy::from_toml(&block).unwrap_or_else(|e| panic!("{name}: {e}"));
            } else {
                let check = onrush(dir.path(), &["check", "--policy", "block.toml"]);
                let said = String::from_utf8_lossy(&check.stdout).into_owned();
                assert_eq!(check.status.code(), Some(0), "{name}:\n{block}\n{said}");
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

/// A server with a configuration of the documentation.
struct Started {
    child: Child,
    admin: String,
}

impl Started {
    fn with(dir: &Path, name: &str) -> Started {
        let mut child = Command::new(env!("CARGO_BIN_EXE_onrush"))
            .args(["serve", "--config", "block.toml", "--data", "data", "--until-stdin-closes"])
            .current_dir(dir)
            .env("ONRUSH_PUBLIC", "127.0.0.1:0")
            .env("ONRUSH_ADMIN", "127.0.0.1:0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            let mut said = String::new();
            let _ = child.stderr.take().expect("piped").read_to_string(&mut said);
            let _ = child.wait();
            panic!("{name} does not start: {said}");
        };
        let admin = ready["admin"].as_str().expect("an address").to_owned();
        Started { child, admin }
    }

    fn ask(&self, path: &str, key: &str) -> (String, Value) {
        let mut stream = TcpStream::connect(&self.admin).expect("it listens");
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
        )
        .expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        (head.to_owned(), serde_json::from_str(body).unwrap_or_default())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_promised_configuration_starts_and_has_its_campaign() {
    let blocks = blocks();
    for name in RUN {
        let blocks = blocks.get(name).unwrap_or_else(|| panic!("{name} is missing"));
        let whole: Vec<(&String, Table)> = blocks
            .iter()
            .map(|block| (block, table(name, block)))
            .filter(|(_, fields)| is_configuration(fields) && fields.contains_key("campaigns"))
            .collect();
        assert!(!whole.is_empty(), "{name} shows no configuration with a campaign");
        for (block, fields) in whole {
            let dir = tempfile::tempdir().expect("a folder");
            std::fs::write(dir.path().join("block.toml"), block).expect("written");
            write_files(dir.path(), &toml::Value::Table(fields.clone()));
            let server = Started::with(dir.path(), name);
            let keys = fields["api_keys"].as_array().expect("keys");
            let admin = keys.iter().find(|key| key["scope"].as_str() == Some("admin"));
            let file = admin.and_then(|key| key["secret_file"].as_str());
            let file = file.unwrap_or_else(|| panic!("{name} has no key for an operator"));
            let key = std::fs::read_to_string(dir.path().join(file)).expect("written above");
            let campaign = fields["campaigns"][0]["campaign"].as_str().expect("a name");
            let (head, body) = server.ask(&format!("/admin/v1/campaigns/{campaign}"), &key);
            assert!(head.starts_with("HTTP/1.1 200"), "{name}: {head}");
            let skus = fields["campaigns"][0]["skus"].as_array().map(Vec::len);
            assert_eq!(body["skus"].as_array().map(Vec::len), skus, "{name}: {body}");
        }
    }
}

#[test]
fn every_command_in_a_document_exists() {
    let help = onrush(&root(), &["--help"]);
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    for name in documents() {
        let text = std::fs::read_to_string(root().join(&name)).expect("a document");
        let fenced = text.split("```").skip(1).step_by(2);
        let lines =
            fenced.flat_map(str::lines).filter_map(|line| line.trim().strip_prefix("onrush "));
        for line in lines {
            let command = line.split_whitespace().next().unwrap_or_default();
            assert!(help.contains(&format!("\n  {command} ")), "{name}: onrush {line}");
        }
    }
}
