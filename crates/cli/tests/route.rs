//! `onrush route`, `onrush simulate` and `onrush check --policy`, run as programs on small files.

use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const NODES: &str = "node,kind,lat,lon,crs,group,opens,closes,time_zone,cut_off,capacity_per_hour,\
    handling_cost,accept_rate,owner\n\
    near,store,41.80,123.40,,north,09:00,21:00,Asia/Shanghai,12:00,10,0.1,0.95,own\n\
    far,store,41.90,123.40,WGS-84,,,,,,,,,franchise\n\
    depot,warehouse,42.80,123.40,,,,,,,,,,\n";
const INVENTORY: &str = "node,sku,on_hand,safety_stock,channel_quota\n\
    near,milk,2,1,\nfar,milk,5,0,live:1\ndepot,milk,50,,\nfar,tea,3,,\ndepot,tea,9,,\n";
const ORDERS: &str = "order,time,lat,lon,sku,quantity,delivery,deadline,pickup_node,channel,value\n\
    o2,2026-11-11T02:00:00Z,41.80,123.40,milk,1,,,,,20\n\
    o1,2026-11-11T02:00:01Z,41.80,123.40,milk,1,,,,,\n\
    o2,2026-11-11T02:00:00Z,41.80,123.40,tea,1,,,,,20\n\
    o3,2026-11-11T02:00:02Z,41.80,123.40,coffee,2,,,,,\n\
    o4,2026-11-11T04:12:00Z,41.80,123.40,milk,1,same_day,,,,\n\
    o5,2026-11-11T04:13:00Z,,,tea,1,pickup,,far,,\n\
    o6,2026-11-11T04:14:00Z,41.80,123.40,milk,4,,,,live,\n";
const POLICY: &str = "version = 1\n[costs]\nfixed_per_shipment = 5\nper_unit = 0.5\n\
    per_unit_km = 0.01\nunfilled_fixed = 3\nunfilled_per_unit = 40\n[distance]\ndetour = 1.32\n\
    [split]\nlimit = 2\n";

const FILES: [&str; 8] = [
    "--nodes",
    "nodes.csv",
    "--inventory",
    "inventory.csv",
    "--orders",
    "orders.csv",
    "--policy",
    "policy.toml",
];

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in [
        ("nodes.csv", NODES),
        ("inventory.csv", INVENTORY),
        ("orders.csv", ORDERS),
        ("policy.toml", POLICY),
    ] {
        write(dir.path(), name, text);
    }
    dir
}

fn write(dir: &Path, name: &str, text: impl AsRef<[u8]>) {
    std::fs::write(dir.join(name), text).expect("written");
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).expect("a file")
}

/// Run the program with `input` on its standard input.
fn onrush(dir: &Path, args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_onrush"))
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // A program that refuses its arguments does not read.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn plans(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn plans_have_the_documented_form_in_the_order_of_the_input() {
    let dir = folder();
    let args = [&["route"][..], &FILES, &["--out", "plans.jsonl"]].concat();
    let output = onrush(dir.path(), &args, "");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!((stdout(&output), stderr(&output)), (String::new(), String::new()));
    let plans = plans(&read(dir.path(), "plans.jsonl"));
    let ids: Vec<&str> = plans.iter().map(|plan| plan["order"].as_str().expect("a name")).collect();
    assert_eq!(ids, ["o2", "o1", "o3", "o4", "o5", "o6"]);
    for plan in &plans {
        let mut fields: Vec<&str> =
            plan.as_object().expect("an object").keys().map(String::as_str).collect();
        fields.sort_unstable();
        let expected = ["alternatives", "cost", "order", "shipments", "unfilled", "why"];
        assert_eq!(fields, expected);
        for shipment in plan["shipments"].as_array().expect("a list") {
            assert!(shipment["cost"].is_f64() && shipment["node"].is_string());
            assert!(shipment["promise"]["at"].is_string(), "{shipment}");
            assert!(shipment["lines"][0]["quantity"].is_u64(), "{shipment}");
        }
    }
    // Both lines in one parcel from the farther store beat two parcels.
    let lines = json!([{"sku": "milk", "quantity": 1}, {"sku": "tea", "quantity": 1}]);
    assert_eq!(
        (&plans[0]["shipments"][0]["node"], &plans[0]["shipments"][0]["lines"]),
        (&"far".into(), &lines)
    );
    let km = 0.1f64.to_radians() * 6_371.008_8 * 1.32;
    let cost = plans[0]["cost"].as_f64().expect("a number");
    assert!((cost - (5.0 + 2.0 * (0.5 + 0.01 * km))).abs() < 1e-5, "{cost}");
    assert_eq!(plans[1]["shipments"][0]["node"], "near");
    assert_eq!(plans[2]["unfilled"], json!([{"sku": "coffee", "quantity": 2}]));
    assert_eq!(plans[2]["cost"], 83.0);
    // The near store keeps its last unit, and noon has passed there.
    assert_eq!(plans[3]["shipments"][0]["node"], "far");
    assert_eq!(plans[4]["shipments"][0]["node"], "far");
    // One unit of the live channel's quota is left at far; the rest comes from the depot.
    let from: Vec<(&str, u64)> = plans[5]["shipments"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|s| {
            (
                s["node"].as_str().expect("a name"),
                s["lines"][0]["quantity"].as_u64().expect("units"),
            )
        })
        .collect();
    assert_eq!(from, [("depot", 4)], "one parcel of four beats a second one for a single unit");
    assert!(plans[0]["why"].as_array().is_some_and(|why| why.len() >= 2));
    assert_eq!(plans[0]["alternatives"][0]["nodes"], json!(["depot"]));
}

#[test]
fn the_same_input_gives_the_same_bytes_through_files_and_pipes() {
    let dir = folder();
    let to_file = [&["route"][..], &FILES, &["--out", "a.jsonl"]].concat();
    assert_eq!(code(&onrush(dir.path(), &to_file, "")), 0);
    let expected = read(dir.path(), "a.jsonl");
    let to_pipe = [&["route"][..], &FILES].concat();
    assert_eq!(stdout(&onrush(dir.path(), &to_pipe, "")), expected);
    for (at, text) in [(1, NODES), (3, INVENTORY), (5, ORDERS), (7, POLICY)] {
        let mut files = FILES;
        files[at] = "-";
        let args = [&["route"][..], &files, &["--out", "-"]].concat();
        let output = onrush(dir.path(), &args, text);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        assert_eq!(stdout(&output), expected, "{} from standard input", FILES[at]);
    }
    // Rows of nodes and stock in another order decide nothing.
    let mut rows: Vec<&str> = NODES.lines().skip(1).collect();
    rows.reverse();
    let header = NODES.lines().next().expect("a header");
    write(dir.path(), "nodes.csv", format!("{header}\n{}\n", rows.join("\n")));
    assert_eq!(stdout(&onrush(dir.path(), &to_pipe, "")), expected);
}

#[test]
fn a_summary_goes_where_plans_do_not() {
    let dir = folder();
    let args = [&["route"][..], &FILES, &["--out", "p.jsonl", "--summary"]].concat();
    let text = stdout(&onrush(dir.path(), &args, ""));
    for figure in [
        "cost an order",
        "split rate",
        "packages an order",
        "distance mean",
        "distance p95",
        "on time",
        "unfilled units",
        "rejections",
        "capacity use",
        "quota use",
    ] {
        assert!(text.contains(figure), "{figure}:\n{text}");
    }
    let value: Value =
        serde_json::from_str(&stdout(&onrush(dir.path(), &[&args[..], &["--json"]].concat(), "")))
            .expect("JSON");
    assert_eq!(value["kpis"]["orders"], 6);
    assert_eq!(value["kpis"]["unfilled_units"], 2);
    let piped = onrush(dir.path(), &[&["route"][..], &FILES, &["--summary"]].concat(), "");
    assert_eq!(stdout(&piped), read(dir.path(), "p.jsonl"), "plans only");
    assert!(stderr(&piped).contains("cost an order"));
}

#[test]
fn a_dry_run_takes_nothing() {
    let dir = folder();
    let twice = "order,time,lat,lon,sku,quantity\n\
        a,2026-11-11T02:00:00Z,41.80,123.40,milk,1\nb,2026-11-11T02:00:00Z,41.80,123.40,milk,1\n";
    let mut files = FILES;
    files[5] = "-";
    let nodes = |extra: &[&str]| -> Vec<Value> {
        let output = onrush(dir.path(), &[&["route"][..], &files, extra].concat(), twice);
        plans(&stdout(&output)).iter().map(|plan| plan["shipments"][0]["node"].clone()).collect()
    };
    assert_eq!(nodes(&[]), ["near", "far"], "the near store keeps its last unit");
    assert_eq!(nodes(&["--dry-run"]), ["near", "near"]);
}

#[test]
fn hostile_rows_are_named_with_file_line_and_remedy() {
    let dir = folder();
    write(dir.path(), "plans.jsonl", "older plans\n");
    for (file, text, says) in [
        (
            "nodes.csv",
            NODES.replace("41.90", "91"),
            "nodes line 3: lat 91 is not between -90 and 90",
        ),
        ("nodes.csv", NODES.replace("Asia/Shanghai", "Mars/Base"), "nodes line 2: "),
        ("nodes.csv", NODES.replace("warehouse", "castle"), "nodes line 4: "),
        ("nodes.csv", NODES.replace("far,store", "near,store"), "near"),
        ("inventory.csv", INVENTORY.replace("far,milk,5", "far,milk,-5"), "inventory line 3: "),
        ("inventory.csv", INVENTORY.replace("live:1", "live=1"), "inventory line 3: "),
        ("inventory.csv", INVENTORY.replace("depot,tea", "moon,tea"), "moon"),
        ("orders.csv", ORDERS.replace("milk,4", "milk,99999999999"), "orders line 8: "),
        ("orders.csv", ORDERS.replace("same_day", "drone"), "orders line 6: "),
        ("orders.csv", ORDERS.replace(",far,,", ",mars,,"), "orders line 7: "),
        ("orders.csv", ORDERS.replace("2026-11-11T02:00:02Z", "yesterday"), "orders line 5: "),
        ("orders.csv", format!("{ORDERS}o7,\"2026\n"), "line 9: a quote opens"),
        ("orders.csv", ORDERS.replace("lat,lon", "lat,lat"), "column lat appears twice"),
        ("orders.csv", ORDERS.replace("quantity", "qty"), "column quantity is missing"),
        ("policy.toml", POLICY.replace("limit = 2", "limit = 0"), "policy line 11, column 1: "),
    ] {
        let kept = read(dir.path(), file);
        write(dir.path(), file, text);
        let args = [&["route"][..], &FILES, &["--out", "plans.jsonl"]].concat();
        let output = onrush(dir.path(), &args, "");
        assert_eq!(code(&output), 1, "{says}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{says}: {}", stderr(&output));
        assert_eq!(read(dir.path(), "plans.jsonl"), "older plans\n", "nothing was overwritten");
        write(dir.path(), file, kept);
    }
}

#[test]
fn skip_bad_goes_on_and_counts() {
    let dir = folder();
    let mut orders = ORDERS.as_bytes().to_vec();
    orders.extend_from_slice(b"o7,2026-11-11T02:00:00Z,95,0,milk,1,,,,,\n");
    orders.extend_from_slice(b"o8,\xff\xfe,1,1,milk,1,,,,,\n");
    orders.extend_from_slice(b"o9,2026-11-11T02:00:00Z,41.8,123.4,tea,1,,,,,,too,many\n");
    write(dir.path(), "orders.csv", orders);
    write(
        dir.path(),
        "inventory.csv",
        INVENTORY.replace("on_hand,", "on_hand,colour,").replace(",2,1,", ",2,red,1,"),
    );
    let args = [&["route"][..], &FILES, &["--out", "p.jsonl", "--summary", "--json", "--skip-bad"]];
    let output = onrush(dir.path(), &args.concat(), "");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let value: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(value["skipped"], json!({"inventory": 4, "orders": 3}));
    assert_eq!(value["kpis"]["orders"], 6);
    assert!(stderr(&output).contains("inventory: column colour is not known"));
    assert!(stderr(&output).contains("orders: 3 bad rows were left out"));
}

#[test]
fn wrong_arguments_and_missing_files() {
    let dir = folder();
    let two = ["route", "--nodes", "-", "--inventory", "-", "--orders", "orders.csv"];
    let output = onrush(dir.path(), &two, "");
    assert_eq!(code(&output), 2, "{}", stderr(&output));
    assert_eq!(code(&onrush(dir.path(), &["route", "--nodes", "nodes.csv"], "")), 2);
    let mut files = FILES;
    files[3] = "nowhere.csv";
    let output = onrush(dir.path(), &[&["simulate"][..], &files].concat(), "");
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("nowhere.csv"), "{}", stderr(&output));
    write(dir.path(), "policy.toml", "[prices]\nenabled = true\nforecast = \"past.csv\"\n");
    let output = onrush(dir.path(), &[&["route"][..], &FILES].concat(), "");
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("past.csv"), "{}", stderr(&output));
}

#[test]
fn a_forecast_is_found_beside_its_policy() {
    let dir = folder();
    std::fs::create_dir(dir.path().join("rules")).expect("made");
    write(dir.path(), "rules/past.csv", ORDERS);
    let priced = format!("{POLICY}[prices]\nenabled = true\nforecast = \"past.csv\"\n");
    write(dir.path(), "rules/policy.toml", priced);
    let mut files = FILES;
    files[7] = "rules/policy.toml";
    let output = onrush(dir.path(), &[&["route"][..], &files].concat(), "");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(plans(&stdout(&output)).len(), 6);
}

#[test]
fn simulate_sets_two_policies_side_by_side_and_draws_them() {
    let dir = folder();
    let other = POLICY.replace("limit = 2", "limit = 1") + "[filters]\nkinds = [\"warehouse\"]\n";
    write(dir.path(), "other.toml", other);
    let base =
        [&["simulate"][..], &FILES, &["--against", "other.toml", "--plots", "plots"]].concat();
    let output = onrush(dir.path(), &base, "");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let text = stdout(&output);
    for part in ["policy", "against", "above the bound", "decided differently", "plots/cost.svg"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let svg = read(&dir.path().join("plots"), "cost_per_order.svg");
    assert!(svg.starts_with("<svg") && svg.contains("against"));
    let output = onrush(dir.path(), &[&base[..], &["--json"]].concat(), "");
    let value: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let cost = |at: usize| value["policies"][at]["kpis"]["cost"].as_f64().expect("a number");
    assert!(cost(0) < cost(1));
    let bound = value["policies"][0]["kpis"]["hindsight_bound"].as_f64().expect("a small network");
    assert!(bound > 0.0 && bound <= cost(0));
    assert_eq!(value["shadow"]["orders"], 6);
    assert!(value["shadow"]["different"].as_u64().is_some_and(|n| n >= 3), "{value}");
    assert_eq!(value["shadow"]["live_cost"].as_f64().map(f64::round), Some(cost(0).round()));
    assert_eq!(value["plots"].as_array().map(Vec::len), Some(4));
}

#[test]
fn check_reads_a_policy() {
    let dir = folder();
    let good = onrush(dir.path(), &["check", "--policy", "policy.toml", "--json"], "");
    assert_eq!(code(&good), 0, "{}", stderr(&good));
    let value: Value = serde_json::from_str(&stdout(&good)).expect("JSON");
    assert_eq!(value["effective"]["split"]["limit"], 2);
    assert_eq!(value["dangers"], json!([]));
    let names = format!("{POLICY}[filters]\ngroups = [\"north\"]\nexclude_nodes = [\"nera\"]\n");
    write(dir.path(), "policy.toml", names);
    let with_nodes = ["check", "--policy", "policy.toml", "--nodes", "nodes.csv"];
    let output = onrush(dir.path(), &with_nodes, "");
    assert_eq!(code(&output), 0);
    assert!(
        stdout(&output).contains("danger: filters.exclude_nodes: nera is not in the node list")
    );
    assert_eq!(code(&onrush(dir.path(), &[&with_nodes[..], &["--strict"]].concat(), "")), 3);
    let bad = POLICY.replace("per_unit = 0.5", "  per_unit = -1").replace("limit = 2", "limit = 9");
    let output = onrush(dir.path(), &["check", "--policy", "-", "--json"], &bad);
    assert_eq!(code(&output), 3);
    let value: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(value["valid"], false);
    let place = |at: usize| {
        (
            &value["errors"][at]["line"],
            &value["errors"][at]["column"],
            &value["errors"][at]["field"],
        )
    };
    assert_eq!(place(0), (&4.into(), &3.into(), &"costs.per_unit".into()));
    assert_eq!(place(1), (&11.into(), &1.into(), &"split.limit".into()));
    let text = stdout(&onrush(dir.path(), &["check", "--policy", "-"], "[costs]\nper_mile = 1\n"));
    assert!(text.contains("line 2, column 1") && text.contains("per_unit_km"), "{text}");
}
