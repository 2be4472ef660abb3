//! Who an operator is, and one-time links into the console.
//!
//! Where no API key has the scope `admin`, a link for an owner is made at the start. An owner makes links
//! for others, with the role that they shall have.

use super::checked_reason;
use crate::answer::Answer;
use crate::config::{Config, Listen, Scope};
use crate::errors::Code;
use crate::gateway::{Ask, Gateway};
use crate::identity::{ApiKey, Visit};
use crate::problem::Problem;
use crate::routes::Route;
use crate::wire::{format_timestamp, json, read_json};
use http::StatusCode;
use onrush::{Name, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json as value};
use std::borrow::Cow;

/// `POST /admin/v1/links`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkBody<'a> {
    /// For whom; kept in the audit of what they do.
    #[serde(borrow)]
    name: Cow<'a, str>,
    /// `viewer`, `operator` or `owner`.
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

/// `POST /admin/v1/sign-in`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInBody<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
}

/// The roles, the one that may most first.
const ROLES: [(&str, Scope); 3] =
    [("owner", Scope::Admin), ("operator", Scope::Operate), ("viewer", Scope::View)];

impl Gateway {
    /// `GET /admin/v1/me`: the key's name, scopes and role.
    pub(crate) fn show_me(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Answer, Problem> {
        let key = self.operator(ask.headers, now)?;
        Ok(Answer::json(StatusCode::OK, Route::AdminMe, json(&shown(&key))))
    }

    /// `POST /admin/v1/links`: a link for somebody else.
    pub(crate) fn make_link(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Answer, Problem> {
        let body: LinkBody<'_> = read_json(ask.headers, ask.body)?;
        let reason = checked_reason(&body.reason)?;
        let name = Name::new(&body.name).map_err(|e| Problem::invalid(format!("name: {e}")))?;
        let scope = ROLES.iter().find(|(role, _)| *role == body.role).map(|(_, scope)| *scope);
        let scope =
            scope.ok_or_else(|| Problem::invalid("role: \"viewer\", \"operator\" or \"owner\""))?;
        let who = self.authorised(ask, now, Scope::Admin)?;
        let (code, until) = self.identity.links.make(name.clone(), scope, now);
        let (who, to) = (who.name.as_str(), name.as_str());
        tracing::info!(who, to, role = &*body.role, why = reason, "a console link was made");
        let body = value!({"path": path(&code), "until": format_timestamp(until)});
        Ok(Answer::json(StatusCode::CREATED, Route::AdminLinks, json(&body)))
    }

    /// `POST /admin/v1/sign-in`: a link's code for a token. Needs no other identity.
    pub(crate) fn take_link(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Answer, Problem> {
        let body: SignInBody<'_> = read_json(ask.headers, ask.body)?;
        let Some(Visit { token, until, key }) = self.identity.links.take(&body.code, now) else {
            let detail = "this link is unknown, used or over; an owner makes a new one, or restart \
                          the server where there is none";
            return Err(Problem::new(Code::Unauthenticated, detail));
        };
        tracing::info!(who = key.name.as_str(), "a console link was used");
        let mut body = shown(&key);
        body["token"] = token.into();
        body["until"] = format_timestamp(until).into();
        Ok(Answer::json(StatusCode::OK, Route::AdminSignIn, json(&body)))
    }

    /// Make the link that is printed at the start, where nobody else could let an owner in.
    pub(crate) fn first_link(&self, config: &Config, admin: &Listen) -> Option<String> {
        let has_owner = config.api_keys.iter().any(|key| key.scope.contains(&Scope::Admin));
        if has_owner {
            return None;
        }
        let name = Name::new("first-link").expect("a plain word is a name");
        let (code, _) = self.identity.links.make(name, Scope::Admin, self.engine.now());
        Some(match admin {
            Listen::Tcp(address) => format!("http://{address}{}", path(&code)),
            Listen::Unix(_) => path(&code),
        })
    }
}

/// Behind the `#`, a code is not sent when the page is loaded, so no proxy's log has it.
fn path(code: &str) -> String {
    format!("/console#once={code}")
}

fn shown(key: &ApiKey) -> Value {
    let role = ROLES.iter().find(|(_, scope)| key.may(*scope)).map(|(role, _)| *role);
    value!({
        "name": key.name.as_str(),
        "role": role,
        "scopes": key.scopes().collect::<Vec<_>>(),
    })
}
