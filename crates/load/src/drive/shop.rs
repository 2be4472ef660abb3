//! What is asked, as compiled requests: of an Onrush server, or of a described target.

use super::Step;
use crate::doubles::{self, Doubles, Provider};
use crate::run::Identity;
use crate::target::{Target, TargetError};
use crate::template::{Fill, Request, Signer};
use crate::wire::Side;
use onrush_gateway::wire::format_timestamp;

/// Where a crowd goes.
#[derive(Clone, Debug, Default)]
pub struct Shop {
    requests: [Option<Request>; Step::COUNT],
    /// How answers are read, where it is not Onrush.
    pub(super) target: Option<Target>,
    /// There is an admin side: people can pay.
    pays: bool,
    /// Payments are told of on the public side.
    notices: bool,
}

/// An Onrush server.
#[derive(Clone, Debug)]
pub struct OnrushShop<'a> {
    /// The public address, as text.
    pub host: &'a str,
    /// The campaign.
    pub campaign: &'a str,
    /// How buyers say who they are.
    pub identity: Identity,
    /// The API key, with [`Identity::ApiKey`].
    pub api_key: Option<&'a str>,
    /// The admin address and token: without them nobody pays.
    pub admin: Option<(&'a str, &'a str)>,
    /// Further JSON members of each reserve.
    pub details: &'a str,
}

impl Shop {
    /// Compile the requests of an Onrush server.
    ///
    /// # Errors
    /// When a name or token has braces or line breaks in it.
    pub fn onrush(at: &OnrushShop<'_>) -> Result<Shop, TargetError> {
        for text in [at.campaign, at.api_key.unwrap_or(""), at.admin.map_or("", |(_, token)| token)]
        {
            if text.contains(['{', '}', '\r', '\n', ' ']) {
                let text = "a campaign's name or a token has spaces, braces or line breaks in it";
                return Err(TargetError::Value(text.to_owned()));
            }
        }
        let mut shop = Shop { pays: at.admin.is_some(), ..Shop::default() };
        let campaign = format!("/v1/campaigns/{}", at.campaign);
        let comma = if at.details.is_empty() { "" } else { "," };
        let buyer = match at.identity {
            Identity::DevHeader | Identity::Token => "",
            Identity::ApiKey => r#","buyer":"{buyer}""#,
        };
        let reserve =
            format!(r#"{{"sku":"{{sku}}","quantity":{{quantity}}{buyer}{comma}{}}}"#, at.details);
        let join = match at.identity {
            Identity::DevHeader | Identity::Token => "",
            Identity::ApiKey => r#"{"buyer":"{buyer}"}"#,
        };
        let ticket = format!("{campaign}/tickets/{{ticket}}");
        for (step, method, path, body) in [
            (Step::Page, "GET", campaign.clone(), ""),
            (Step::Join, "POST", format!("{campaign}/tickets"), join),
            (Step::Look, "GET", ticket.clone(), ""),
            (Step::Return, "POST", format!("{ticket}/return"), ""),
            (Step::Listen, "GET", format!("{campaign}/events"), ""),
            (Step::Reserve, "POST", format!("{campaign}/reservations"), reserve.as_str()),
            (Step::LookAt, "GET", "/v1/reservations/{id}".to_owned(), ""),
            (Step::Release, "DELETE", "/v1/reservations/{id}".to_owned(), ""),
        ] {
            let headers = at.headers(step, !body.is_empty());
            shop.set(step, Request::new(method, &path, at.host, &headers, body))?;
        }
        let mut pass = at.headers(Step::Reserve, true);
        pass.push(("onrush-pass".to_owned(), "{pass}".to_owned()));
        let path = format!("{campaign}/reservations");
        shop.set(Step::ReserveWithPass, Request::new("POST", &path, at.host, &pass, &reserve))?;
        if let Some((host, token)) = at.admin {
            shop.admin_side(host, token)?;
        }
        Ok(shop)
    }

    /// Have doubles sign what a shop and a provider would: with an issuer, buyers show its tokens (compiled
    /// with [`Identity::Token`]); with a provider, payments that cost something are its notices to `host`.
    ///
    /// # Errors
    /// When the provider's name has braces or line breaks in it.
    pub fn signed_by(mut self, doubles: &Doubles, host: &str) -> Result<Shop, TargetError> {
        if let Some(issuer) = &doubles.issuer {
            for step in Step::OF_BUYERS {
                let request = &mut self.requests[step as usize];
                let signer = Signer::Token(issuer.clone());
                *request = request.take().map(|request| request.signed(signer));
            }
        }
        if let Some(provider) = &doubles.provider {
            self.notices(provider, host)?;
        }
        Ok(self)
    }

    fn notices(&mut self, provider: &Provider, host: &str) -> Result<(), TargetError> {
        let at = format_timestamp(doubles::now());
        let body = format!(
            r#"{{"event_id":"{{key}}-p{{part}}","reservation":"{{id}}","reference":"{{key}}-p{{part}}","amount":{{amount}},"currency":"{{currency}}","paid_at":"{at}"}}"#
        );
        let headers = [("content-type".to_owned(), "application/json".to_owned())];
        let path = format!("/v1/payments/{}", provider.name);
        self.set(Step::Pay, Request::new("POST", &path, host, &headers, &body))?;
        let paid = &mut self.requests[Step::Pay as usize];
        *paid = paid.take().map(|request| request.signed(Signer::Notice(provider.clone())));
        (self.pays, self.notices) = (true, true);
        Ok(())
    }

    /// Compile the requests of a described target at an address.
    ///
    /// # Errors
    /// As [`Target::read`].
    pub fn other(target: &Target, host: &str) -> Result<Shop, TargetError> {
        let mut shop = Shop::default();
        shop.requests[Step::Reserve as usize] = Some(target.reserve.request(host)?);
        if let Some(confirm) = &target.confirm {
            shop.requests[Step::Pay as usize] = Some(confirm.request(host)?);
            shop.pays = true;
        }
        if let Some(release) = &target.release {
            shop.requests[Step::Release as usize] = Some(release.request(host)?);
        }
        shop.target = Some(target.clone());
        Ok(shop)
    }

    /// Tell whether somebody who holds a unit can pay for it here.
    pub fn pays(&self) -> bool {
        self.pays
    }

    /// Tell whether a step can be asked at all.
    pub(super) fn knows(&self, step: Step) -> bool {
        self.requests[step as usize].is_some()
    }

    pub(super) fn side(&self, step: Step) -> Side {
        let admin = match step {
            Step::Pay => !self.notices,
            step => matches!(step, Step::SettleFree | Step::Cancel),
        };
        if admin && self.target.is_none() { Side::Admin } else { Side::Public }
    }

    pub(super) fn write(
        &self,
        step: Step,
        fill: &Fill<'_>,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        let request = self.requests[step as usize].as_ref();
        request.expect("only known steps are planned").write(fill, scratch, out);
    }

    fn admin_side(&mut self, host: &str, token: &str) -> Result<(), TargetError> {
        let headers = |key: &str| {
            vec![
                ("authorization".to_owned(), format!("Bearer {token}")),
                ("content-type".to_owned(), "application/json".to_owned()),
                ("idempotency-key".to_owned(), key.to_owned()),
            ]
        };
        let confirm = "/admin/v1/reservations/{id}/confirm";
        let paid = r#"{"payments":[{"method":"card","amount":{amount},"currency":"{currency}","reference":"{key}-p{part}"}]}"#;
        let free = r#"{"payments":[]}"#;
        let cancel = r#"{"reason":"the buyer changed their mind","restock":true}"#;
        let cancel_path = "/admin/v1/reservations/{id}/cancel";
        for (step, path, key, body) in [
            (Step::Pay, confirm, "{key}-p{part}", paid),
            (Step::SettleFree, confirm, "{key}-p{part}", free),
            (Step::Cancel, cancel_path, "{key}-c", cancel),
        ] {
            self.set(step, Request::new("POST", path, host, &headers(key), body))?;
        }
        Ok(())
    }

    fn set(
        &mut self,
        step: Step,
        request: Result<Request, crate::template::UnknownHole>,
    ) -> Result<(), TargetError> {
        let request = request.map_err(|e| TargetError::Value(e.to_string()))?;
        self.requests[step as usize] = Some(request);
        Ok(())
    }
}

impl OnrushShop<'_> {
    fn headers(&self, step: Step, has_body: bool) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
        let asks_as_buyer = Step::OF_BUYERS.contains(&step);
        match (self.identity, self.api_key) {
            (Identity::DevHeader, _) if asks_as_buyer => add("x-onrush-buyer", "{buyer}"),
            (Identity::ApiKey, Some(key)) if asks_as_buyer => {
                add("authorization", &format!("Bearer {key}"));
            }
            _ => {}
        }
        match step {
            Step::Reserve | Step::ReserveWithPass => add("idempotency-key", "{key}"),
            Step::Release => add("idempotency-key", "{key}-r"),
            _ => {}
        }
        if has_body {
            add("content-type", "application/json");
        }
        headers
    }
}
