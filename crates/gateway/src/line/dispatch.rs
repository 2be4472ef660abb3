//! From a route of the line to what answers it.

use crate::answer::{Answer, Content};
use crate::gateway::{Ask, Gateway, Reply};
use crate::jitter::Jitter;
use crate::problem::Problem;
use crate::routes::Route;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use onrush::Timestamp;

impl Gateway {
    /// Answer a request of the public side that is about a line.
    pub(crate) fn public_line(
        &self,
        route: Route,
        part: &str,
        ask: &Ask<'_>,
        now: Timestamp,
        jitter: &Jitter,
    ) -> Result<Reply, Problem> {
        match route {
            Route::LinePoll => self.poll(part, ask, now, jitter).map(Reply::Ready),
            Route::LineJoin => self.join(part, ask, now),
            Route::LineReturn => self.return_to_line(part, ask, now),
            Route::LineHandoff => self.hand_off(part, ask, now).map(Reply::Ready),
            Route::LineEnter => self.enter(part, ask, now).map(Reply::Ready),
            Route::LineEvents => self.events(part, ask, now),
            Route::LineDraw => self.draw(part, ask, now).map(Reply::Ready),
            Route::LineParticipants => self.participants(part, ask, now).map(Reply::Ready),
            Route::LineGate => self.gate(part, ask, now, jitter).map(Reply::Ready),
            Route::Jwks => Ok(Reply::Ready(self.jwks(now))),
            _ => Err(Problem::not_found()),
        }
    }

    /// Answer a request of the admin side that is about a line.
    pub(crate) fn admin_line(
        &self,
        route: Route,
        part: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        match route {
            Route::AdminLine => self.show_line(part, ask, now).map(Reply::Ready),
            Route::AdminOutflow => self.set_outflow(part, ask, now),
            Route::AdminDraw => self.set_public_value(part, ask, now),
            Route::AdminTicket => self.show_ticket(part, ask, now).map(Reply::Ready),
            Route::AdminMessage => self.set_message(part, ask, now).map(Reply::Ready),
            Route::AdminShopHealth => self.shop_health(part, ask, now).map(Reply::Ready),
            _ => Err(Problem::not_found()),
        }
    }

    /// `GET /.well-known/jwks.json`: the keys with which another shop checks passes.
    fn jwks(&self, now: Timestamp) -> Answer {
        let keys = self.lines.jwts.key_set(now);
        let answer = Answer::of(StatusCode::OK, Route::Jwks, Content::Json, keys.into());
        answer.with(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))
    }
}
