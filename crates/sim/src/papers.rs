//! Lines through the gateway: people hold tickets and passes as text, and show what they hold.
//!
//! A ticket is what a join was answered with; a pass is what the ticket's address shows who is up. Both
//! are signed by the gateway, so a drill can show old ones, other people's, and one with a letter
//! changed. What somebody does not hold, because the answer was lost, they cannot show: then the same
//! is asked of the engine itself.

use crate::http::{Request, field, operator, send};
use crate::lexicon::Lexicon;
use crate::line_asks::LineAsk;
use crate::world::{Ask, Shown, Waits, World};
use http::Method;
use onrush_gateway::{Gateway, Reply, Side};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Whose ticket: the campaign's number, and the ticket's.
type Holder = (usize, u32);

/// What people hold, over all lives of the machine.
#[derive(Debug, Default)]
pub(crate) struct Papers {
    tickets: RefCell<BTreeMap<Holder, String>>,
    passes: RefCell<BTreeMap<Holder, String>>,
}

impl Papers {
    /// Keep the ticket that stands in the answer to a join.
    pub(crate) fn keep_ticket(&self, body: &str, world: &World) -> Option<usize> {
        let number: u32 = field(body, "\"number\":")?.parse().ok()?;
        let ticket = field(body, "\"ticket\":\"")?.to_owned();
        let camp = world.camp_named(field(body, "\"campaign\":\"")?)?;
        self.tickets.borrow_mut().insert((camp, number), ticket);
        Some(number as usize)
    }

    fn ticket(&self, of: Holder) -> Option<String> {
        self.tickets.borrow().get(&of).cloned()
    }

    /// Look at a ticket; return the pass it shows, or the last one that it showed if it is over. While
    /// places are counted again nobody knows: a pause may have made the last one too old meanwhile.
    fn pass(&self, world: &World, gateway: &Gateway, of: Holder) -> Option<String> {
        let campaign = world.campaign(of.0).name();
        let path = format!("/v1/campaigns/{campaign}/tickets/{}", self.ticket(of)?);
        let look = Request::of(Side::Public, Method::GET, path);
        if let Reply::Ready(answer) = look.handle(gateway, world.now(), world) {
            let body = std::str::from_utf8(&answer.body).unwrap_or_default();
            let state = field(body, "\"state\":\"").unwrap_or_default();
            match field(body, "\"pass\":\"") {
                Some(pass) => {
                    self.passes.borrow_mut().insert(of, pass.to_owned());
                }
                None if !matches!(state, "passed_over" | "used" | "lost") => return None,
                None => {}
            }
        }
        self.passes.borrow().get(&of).cloned()
    }
}

/// Ask for something about a line, or with a pass; nothing where the papers for it are missing.
pub(crate) fn ask(world: &World, gateway: &Gateway, ask: &Ask, lexicon: &Lexicon) -> Option<Waits> {
    let request = match *ask {
        Ask::Line(ask) => line_request(world, ask, lexicon)?,
        Ask::Reserve { sku, shown, .. } => {
            let pass = match shown {
                Shown::Nothing => return None,
                Shown::Forged => "A".repeat(92),
                Shown::Pass { number, .. } => {
                    world.papers.pass(world, gateway, (world.camp_of(sku), number))?
                }
                Shown::Altered { number, .. } => {
                    let of = (world.camp_of(sku), number);
                    altered(world.papers.pass(world, gateway, of)?, number)
                }
            };
            let mut request = crate::http::request(world, ask, lexicon);
            request.header("onrush-pass", &pass);
            request
        }
        _ => return None,
    };
    Some(send(world, gateway, &request))
}

fn line_request(world: &World, ask: LineAsk, lexicon: &Lexicon) -> Option<Request> {
    match ask {
        // Who is invited the gateway reads from lists; nobody but the first tier joins without.
        LineAsk::Join { camp, buyer, class: 0 } => {
            let campaign = world.campaign(camp);
            if campaign.line()?.invite_only {
                return None;
            }
            let path = format!("/v1/campaigns/{}/tickets", campaign.name());
            let mut request = Request::of(Side::Public, Method::POST, path);
            request.header("x-onrush-buyer", &lexicon.buyers[usize::from(buyer)]);
            Some(request)
        }
        LineAsk::Return { camp, at } => {
            let ticket = world.papers.ticket((camp, at as u32))?;
            let campaign = world.campaign(camp).name();
            let path = format!("/v1/campaigns/{campaign}/tickets/{ticket}/return");
            Some(Request::of(Side::Public, Method::POST, path))
        }
        LineAsk::Flow { camp, flow } => {
            let path = format!("/admin/v1/campaigns/{}/outflow", world.campaign(camp).name());
            let figure = |name: &str, figure: Option<u32>| {
                figure.map_or(String::new(), |figure| format!("\"{name}\":{figure},"))
            };
            let (second, inside) = (flow.per_second, flow.inside);
            let body = format!(
                "{{{}{}\"passes_per_unit_max\":{},\"reason\":\"a drill\"}}",
                figure("per_second", second),
                figure("inside", inside),
                flow.most
            );
            Some(operator(path, body, lexicon))
        }
        // The gateway takes a value only once it has shown the list that is drawn from.
        LineAsk::Join { .. } | LineAsk::Value { .. } => None,
    }
}

/// Change one letter of a pass's signature.
fn altered(pass: String, number: u32) -> String {
    let at = pass.len() - 1 - number as usize % 40;
    let other = if pass.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &pass[..at], &pass[at + 1..])
}
