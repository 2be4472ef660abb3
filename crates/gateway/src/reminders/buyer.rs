//! `…/reminders` and `…/calendar.ics` of a campaign: what buyers ask.

use super::campaigns::has_started;
use super::wire::{RemindBody, UnremindBody};
use super::{Asked, Tell};
use crate::answer::{Answer, Content};
use crate::config::Shown;
use crate::errors::Code;
use crate::gateway::{Ask, Gateway, Reply};
use crate::problem::Problem;
use crate::routes::Route;
use crate::waiting::{Waiting, What};
use crate::wire::{format_timestamp, json, parse_timestamp, read_json};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use http::{HeaderValue, StatusCode};
use onrush::{Campaign, DurationMs, Phase, Timestamp};
use onrush_notify::send::Target;
use onrush_notify::{Address, Channel, Locale, Order, Policy, calendar};
use serde_json::json as value;

/// How far in the future a consent may be: the difference between two clocks.
const CONSENT_AHEAD_MS_MAX: u64 = 5 * 60 * 1_000;

impl Gateway {
    /// `GET`: which channels there are, and what a browser needs to subscribe.
    pub(crate) fn reminders_offered(&self, name: &str, now: Timestamp) -> Result<Answer, Problem> {
        let campaign = self.visible(name, now)?;
        let channels = self.reminders.senders.channels();
        let names: Vec<&str> = channels.iter().map(|channel| channel.as_str()).collect();
        let key = self.reminders.senders.push.as_ref().map(|push| push.public_key());
        let body = value!({
            "campaign": campaign.name().as_str(),
            "channels": names,
            "push_public_key": key,
            "send_at": self.send_at(&campaign).map(format_timestamp),
            "open": !has_started(campaign.phase(now)),
        });
        Ok(Answer::json(StatusCode::OK, Route::RemindersOffered, json(&body)))
    }

    /// `POST`: remind me.
    pub(crate) fn remind(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let body: RemindBody<'_> = read_json(ask.headers, ask.body)?;
        let address = self.checked_address(&body)?;
        let consent_at = checked_consent(&body, now)?;
        let locale = checked_locale(body.locale.as_deref())?;
        let caller = self.caller(ask, now)?;
        let buyer = caller.buyer(body.buyer.as_deref(), &self.engine)?;
        let campaign = self.visible(name, now)?;
        refuse_started(&campaign, now)?;
        let order = Order::Remind {
            buyer,
            campaign: campaign.ix(),
            locale,
            consent_at,
            text_version: body.consent_version.unwrap_or(1),
            address,
        };
        let tell = Tell::Reminder {
            campaign: campaign.name().clone(),
            channel: checked_channel(&body.channel)?,
            send_at: self.send_at(&campaign),
        };
        self.reminders.order(order, tell).map(|asked| reply(Route::Remind, asked))
    }

    /// Tell whether this shop sends reminders on a channel.
    pub(crate) fn offers(&self, channel: Channel) -> bool {
        self.reminders.senders.channels().contains(&channel)
    }

    /// `DELETE`: take it back, on one channel or all.
    pub(crate) fn unremind(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let body: UnremindBody<'_> = match ask.body.is_empty() {
            true => UnremindBody::default(),
            false => read_json(ask.headers, ask.body)?,
        };
        let channel = body.channel.as_deref().map(checked_channel).transpose()?;
        let caller = self.caller(ask, now)?;
        let buyer = caller.buyer(body.buyer.as_deref(), &self.engine)?;
        let campaign = self.visible(name, now)?.ix();
        let order = Order::TakeBack { buyer, campaign, channel };
        self.reminders.order(order, Tell::Gone).map(|asked| reply(Route::Unremind, asked))
    }

    /// `GET …/calendar.ics`: needs no address at all.
    pub(crate) fn calendar(&self, name: &str, now: Timestamp) -> Result<Answer, Problem> {
        let campaign = self.visible(name, now)?;
        let schedule = &campaign.terms().schedule;
        let opens_at = schedule.opens_at.ok_or_else(|| {
            Problem::invalid("this campaign has no planned start yet; look again when it has")
        })?;
        let links = &self.reminders.links;
        let host = Target::parse(&links.public).map(|target| target.host().to_owned());
        let title = Shown::of(campaign.terms()).title;
        let event = calendar::Event {
            campaign: name,
            host: host.as_deref().unwrap_or("onrush.invalid"),
            title: title.as_deref().unwrap_or(name),
            link: &links.page.replace("{campaign}", name),
            opens_at,
            closes_at: schedule.closes_at,
            alarm: self.reminders.section.lead.0,
        };
        let file = calendar::file(&event, now);
        let disposition = format!("attachment; filename=\"{name}.ics\"");
        let disposition = HeaderValue::from_str(&disposition).expect("a name is plain ASCII");
        let answer = Answer::of(StatusCode::OK, Route::Calendar, Content::Calendar, file.into());
        let cache = HeaderValue::from_static("no-cache");
        Ok(answer.with(CONTENT_DISPOSITION, disposition).with(CACHE_CONTROL, cache))
    }

    /// Tell from when on the first reminders of a campaign go, by what is known now.
    fn send_at(&self, campaign: &Campaign) -> Option<Timestamp> {
        let section = &self.reminders.section;
        let (lead, give_up) = (section.lead.0, section.give_up.0);
        let policy = Policy { lead, per_second: section.per_second, give_up };
        let tally = self.reminders.figures().map(|figures| figures.of(campaign.ix()));
        let waiting = tally.iter().flatten().map(|states| states[0]).sum();
        let opens_at = campaign.terms().schedule.opens_at?;
        Some(policy.starts_at(opens_at, waiting))
    }

    fn checked_address(&self, body: &RemindBody<'_>) -> Result<Address, Problem> {
        let channel = checked_channel(&body.channel)?;
        let offered = self.reminders.senders.channels();
        if !offered.contains(&channel) {
            let names: Vec<&str> = offered.iter().map(|channel| channel.as_str()).collect();
            return Err(Problem::invalid(match names.is_empty() {
                true => "this shop sends no reminders; use the campaign's calendar.ics".to_owned(),
                false => format!("channel: not offered here; use one of {}", names.join(", ")),
            }));
        }
        let field = || body.address.as_deref().ok_or_else(|| Problem::invalid("address: required"));
        let address = match (channel, &body.subscription) {
            (Channel::Push, Some(subscription)) => {
                let keys = &subscription.keys;
                Address::push(&subscription.endpoint, &keys.p256dh, &keys.auth)
            }
            (Channel::Push, None) => {
                let detail = "subscription: required; send what `PushManager.subscribe` gave";
                return Err(Problem::invalid(detail));
            }
            (_, Some(_)) => return Err(Problem::invalid("subscription: only for channel push")),
            (Channel::Mail, None) => Address::mail(field()?),
            (Channel::Wechat, None) => Address::wechat(field()?),
            (Channel::Webhook, None) => Address::webhook(field()?),
        };
        let wrong = |error: onrush_notify::AddressError| match channel {
            Channel::Push => Problem::invalid(format!("subscription: {error}")),
            _ => Problem::invalid(format!("address: {error}")),
        };
        let address = address.map_err(wrong)?;
        if channel == Channel::Push && body.address.is_some() {
            return Err(Problem::invalid("address: a push has a subscription instead"));
        }
        let refused = |what| Problem::invalid(format!("subscription: {what}"));
        self.reminders.senders.check(&address).map_err(refused)?;
        Ok(address)
    }
}

fn checked_channel(name: &str) -> Result<Channel, Problem> {
    let wrong = || Problem::invalid("channel: one of webhook, push, mail, wechat");
    Channel::named(name).ok_or_else(wrong)
}

fn checked_locale(tag: Option<&str>) -> Result<Locale, Problem> {
    let wrong = || Problem::invalid("locale: \"zh\" or \"en\"");
    tag.map_or(Ok(Locale::default()), |tag| Locale::tagged(tag).ok_or_else(wrong))
}

fn checked_consent(body: &RemindBody<'_>, now: Timestamp) -> Result<Timestamp, Problem> {
    if !body.consent {
        return Err(Problem::invalid(
            "consent: must be true; ask the buyer, and send when they agreed in consent_at",
        ));
    }
    let at = parse_timestamp(&body.consent_at);
    let at = at.map_err(|what| Problem::invalid(format!("consent_at: {what}")))?;
    if at > now + DurationMs(CONSENT_AHEAD_MS_MAX) {
        return Err(Problem::invalid("consent_at: is in the future; send when the buyer agreed"));
    }
    Ok(at)
}

fn refuse_started(campaign: &Campaign, now: Timestamp) -> Result<(), Problem> {
    match campaign.phase(now) {
        Phase::Closed | Phase::Settled => {
            Err(Problem::new(Code::Ended, "the sale is over; there is nothing to remind of"))
        }
        phase if has_started(phase) => Err(Problem::new(
            Code::AlreadyOpen,
            "the sale has started; reserve instead of waiting for a reminder",
        )),
        _ => Ok(()),
    }
}

pub(super) fn reply(route: Route, asked: Asked) -> Reply {
    Reply::Wait(Waiting::of(route, What::Reminder(asked)))
}
