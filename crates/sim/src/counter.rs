//! What a store's counter and its head office ask through the gateway: pick-up codes are redeemed, true
//! ones and wrong ones, and routing policies are put.
//!
//! A true code is made here once more, by the rule of `docs/routing.md`: nobody but the gateway and who
//! knows the data folder's key can.

use crate::history::{Flow, Run};
use crate::http::{Request, admin, operator, send};
use crate::lexicon::Lexicon;
use crate::oracle::{Holds, broken};
use crate::said::How;
use crate::store_asks::StoreAsk;
use crate::world::{Ask, Waits, World};
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use onrush::ReservationSeq;
use onrush_gateway::Gateway;
use sha2::Sha256;

/// The policies that come and go.
const POLICIES: [&str; 3] = ["[split]\nlimit = 1\n", "[split]\nlimit = 2\n", "version = 1\n"];

/// An answer that takes another look at the ledger, and so comes a turn later.
#[derive(Debug)]
pub(crate) struct Late {
    pub(crate) waits: Waits,
    pub(crate) ask: Ask,
    pub(crate) expected: String,
}

/// Return the text of a policy.
pub(crate) fn policy(which: u8) -> &'static str {
    POLICIES[usize::from(which) % POLICIES.len()]
}

/// Ask for something at a counter; nothing where stores have no request of their own for it here.
pub(crate) fn ask(
    world: &World,
    gateway: &Gateway,
    ask: StoreAsk,
    lexicon: &Lexicon,
) -> Option<Waits> {
    let request = match ask {
        StoreAsk::Collect { n } => collect(world, n, &code_of(world, n), lexicon),
        StoreAsk::Policy { replaces, which } => {
            let text = policy(which).replace('\n', "\\n");
            let body =
                format!("{{\"replaces\":{replaces},\"policy\":\"{text}\",\"reason\":\"a drill\"}}");
            let request = operator("/admin/v1/routing".to_owned(), body, lexicon);
            Request { method: Method::PUT, ..request }
        }
        _ => return None,
    };
    Some(send(world, gateway, &request))
}

fn collect(world: &World, n: usize, code: &str, lexicon: &Lexicon) -> Request {
    let body = format!("{{\"code\":\"{code}\",\"reason\":\"a drill\"}}");
    let request = admin(world, n, "collect", body, lexicon);
    let path = request.path.replace("/reservations/", "/orders/");
    Request { path, ..request }
}

/// Eight letters of Crockford's alphabet, each from five bits of a byte of an HMAC.
fn code_of(world: &World, n: usize) -> String {
    let key = world.engine.derive_key("pick-up code");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes any key");
    mac.update(&(n as u32).to_le_bytes());
    let letters = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bytes = mac.finalize().into_bytes();
    bytes[..8].iter().map(|byte| char::from(letters[usize::from(byte % 32)])).collect()
}

impl Run<'_> {
    /// Show codes that are not this order's: another's, and its own with a letter changed (INV-16).
    pub(crate) fn wrong_codes(&self, n: usize) -> Holds {
        let Some(gateway) = &self.world.gateway else { return Ok(()) };
        let own = code_of(&self.world, n);
        let last = if own.ends_with('7') { "8" } else { "7" };
        for code in [code_of(&self.world, n + 1), format!("{}{last}", &own[..7]), String::new()] {
            let request = collect(&self.world, n, &code, self.lexicon);
            let said = send(&self.world, gateway, &request).take(&self.world);
            if said.is_none_or(|said| said.code != "invalid_request") {
                let id = self.world.engine.id_of(ReservationSeq(n as u32));
                let what = format!("the code {code} was taken for that of {id}: {said:?}");
                return broken("INV-16", what);
            }
        }
        Ok(())
    }

    /// Tell whether the answer to `ask` comes a turn after it was decided.
    pub(crate) fn answers_later(&self, ask: &Ask) -> bool {
        self.world.gateway.is_some() && matches!(ask, Ask::Store(StoreAsk::Collect { .. }))
    }

    /// Compare the answers of the last turn's with what was decided then.
    pub(crate) fn late_answered(&mut self) -> Flow {
        for mut late in std::mem::take(&mut self.late) {
            let said = late.waits.take(&self.world);
            self.tell(|| format!("       {:?}, decided before: {said:?}", late.ask));
            // Where the lane was full the second look was not taken.
            let cut_short = said.is_some_and(|said| said.how == How::Refused);
            let crowded = self.plan.setup.settles_max <= 3 || self.settles.len() > 4;
            let right = said.is_some_and(|said| said.is(&late.expected));
            if !right && (!cut_short || !crowded) {
                let what = format!("{:?} is {said:?}; it should be {}", late.ask, late.expected);
                return Ok(broken("INV-16", what)?);
            }
        }
        Ok(())
    }
}
