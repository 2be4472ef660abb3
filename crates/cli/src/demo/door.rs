//! A second sale at the end of the demo, with a crowd at the door, for a person to join by hand.

use crate::out::{Failure, Out};
use onrush::Timestamp;
use onrush_gateway::wire::format_timestamp;
use onrush_load::admin;
use onrush_load::client::{Ask, Client, Method};
use onrush_load::folder::Folder;
use onrush_load::server::Launch;
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;

const CAMPAIGN: &str = "door";
const UNITS: u32 = 30;
const CROWD: usize = 80;
/// One in so many of the crowd never pays, so that something comes back.
const UNPAID_EVERY: usize = 4;
/// What brought the crowd, in turns: channel and touchpoint. Some do not say.
const SOURCES: [Option<(&str, &str)>; 3] =
    [Some(("mini_program", "template_message")), Some(("web", "poster_qr")), None];
const CONNECTIONS: usize = 16;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Time to look around and to join before the start.
const OPENS_AFTER: Duration = Duration::from_secs(40);
const CLOSES_AFTER: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Somebody of the crowd.
struct Guest {
    name: String,
    pays: bool,
    from: Option<(&'static str, &'static str)>,
    ticket: Option<String>,
    is_done: bool,
}

/// Open the sale and keep it open until `leave`, or until it ends; then check the folder again.
pub(super) async fn open(launch: &Launch, out: &Out, leave: &Notify) -> Result<(), Failure> {
    let server = launch.start(None).map_err(Failure::of)?;
    let public = Client::new(server.public, CONNECTIONS, ANSWER_WITHIN);
    let operator = Client::new(server.admin, CONNECTIONS, ANSWER_WITHIN);
    operator.set_token(&server.token).map_err(Failure::Failed)?;
    admin::put_campaign(&operator, CAMPAIGN, &campaign()).await.map_err(Failure::of)?;
    let page = format!("http://{}/drop/{CAMPAIGN}", server.public);
    let console = format!("http://{}{}", server.admin, link(&operator).await?);
    out.note(format_args!(
        "\nJoin a sale by hand: {page}\nSteer it (the link is good once): {console}\nIt starts in {} s with \
         {UNITS} units and {CROWD} people at the door. Ctrl-C ends it.",
        OPENS_AFTER.as_secs(),
    ));
    show(&console, out);
    show(&page, out);
    tokio::select! {
        played = play(&public, &operator) => played?,
        () = leave.notified() => {}
    }
    drop((public, operator));
    server.stop().map_err(Failure::of)?;
    let verdict = Folder::read(&launch.data(), |_, _| {}).map_err(Failure::of)?.verdict();
    if verdict.holds() {
        out.note("The sale by hand was replayed, too: everything held.");
        return Ok(());
    }
    Err(Failure::NotHeld("a promise did not hold in the sale by hand; keep the data".to_owned()))
}

/// Return the path of a link that signs an owner in to the console.
async fn link(operator: &Client) -> Result<String, Failure> {
    let headers = [("content-type", "application/json")];
    let ask = json!({"name": "demo", "role": "owner", "reason": "the demo's own visitor"});
    let made = send(operator, Method::POST, "/admin/v1/links", &headers, ask.to_string()).await?;
    let path = made["path"].as_str().map(str::to_owned);
    path.ok_or_else(|| Failure::Failed(format!("no link into the console: {made}")))
}

fn campaign() -> Value {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = |after: Duration| {
        let ms = u64::try_from((since + after).as_millis()).unwrap_or(u64::MAX);
        format_timestamp(Timestamp(ms))
    };
    json!({
        "title": "Onrush demo", "preheat_at": at(Duration::ZERO), "opens_at": at(OPENS_AFTER),
        "closes_at": at(CLOSES_AFTER), "hold": "1m", "line": {"pass": "1m"}, "waitlist": {},
        "skus": [{"sku": "jacket", "price": 129_900, "supply": UNITS}],
    })
}

/// Let the crowd join, wait, and buy, until the sale is over.
async fn play(public: &Client, operator: &Client) -> Result<(), Failure> {
    let guest = |n: usize| Guest {
        name: format!("guest-{n}"),
        pays: !n.is_multiple_of(UNPAID_EVERY),
        from: SOURCES[n % SOURCES.len()],
        ticket: None,
        is_done: false,
    };
    let mut crowd: Vec<Guest> = (0..CROWD).map(guest).collect();
    loop {
        for guest in crowd.iter_mut().filter(|guest| !guest.is_done) {
            guest.step(public, operator).await?;
        }
        let path = format!("/v1/campaigns/{CAMPAIGN}");
        let seen = send(public, Method::GET, &path, &[], String::new()).await?;
        if seen["phase"] == "closed" {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl Guest {
    async fn step(&mut self, public: &Client, operator: &Client) -> Result<(), Failure> {
        let who = ("x-onrush-buyer", self.name.as_str());
        let Some(ticket) = &self.ticket else {
            let mut path = format!("/v1/campaigns/{CAMPAIGN}/tickets");
            if let Some((channel, touchpoint)) = self.from {
                path += &format!("?channel={channel}&touchpoint={touchpoint}");
            }
            let joined = send(public, Method::POST, &path, &[who], String::new()).await?;
            self.ticket = joined["ticket"].as_str().map(str::to_owned);
            return Ok(());
        };
        let path = format!("/v1/campaigns/{CAMPAIGN}/tickets/{ticket}");
        let seen = send(public, Method::GET, &path, &[], String::new()).await?;
        let Some(pass) = seen["pass"].as_str() else {
            self.is_done = matches!(seen["state"].as_str(), Some("used" | "lost"));
            return Ok(());
        };
        let headers = [
            who,
            ("idempotency-key", "door"),
            ("onrush-pass", pass),
            ("content-type", "application/json"),
        ];
        let path = format!("/v1/campaigns/{CAMPAIGN}/reservations");
        let mut wish = json!({"sku": "jacket"});
        if let Some((channel, touchpoint)) = self.from {
            // The ticket knows it; the report, which reads the journal, does not.
            wish["attribution"] = json!({"channel": channel, "touchpoint": touchpoint});
        }
        let held = send(public, Method::POST, &path, &headers, wish.to_string()).await?;
        self.is_done = held["id"].is_string();
        if let (true, Some(id)) = (self.pays, held["id"].as_str()) {
            let path = format!("/admin/v1/reservations/{id}/confirm");
            let line = json!({"method": "card", "amount": held["price"]["amount"],
                "currency": held["price"]["currency"], "reference": id});
            let paid = json!({"payments": [line]}).to_string();
            let headers = [("content-type", "application/json")];
            send(operator, Method::POST, &path, &headers, paid).await?;
        }
        Ok(())
    }
}

/// Ask, and read the answer; a refusal is an answer too.
async fn send(
    client: &Client,
    method: Method,
    path: &str,
    headers: &[(&'static str, &str)],
    body: String,
) -> Result<Value, Failure> {
    let answer = client.send(Ask { method, path, headers, body }).await;
    let answer = answer.map_err(|none| Failure::Failed(none.cause))?;
    Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// Open a page where there is a desktop; its address was printed in any case.
fn show(page: &str, out: &Out) {
    let has_desktop = cfg!(target_os = "macos")
        || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if !out.progress || !has_desktop {
        return;
    }
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(opener);
    command.arg(page).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Its end is waited for elsewhere, so that it is not left as a zombie.
    if let Ok(mut child) = command.spawn() {
        std::thread::spawn(move || child.wait());
    }
}
