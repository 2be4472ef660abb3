//! Every refusal and error the gateway can answer, in one table.
//!
//! The same text makes the `type` pages under `/docs/errors/{code}`, the titles of problem
//! documents (RFC 9457), the OpenAPI description and `onrush explain CODE`, so they cannot differ.

/// What a code means and what its reader does next.
#[derive(Debug)]
#[non_exhaustive]
pub struct ErrorPage {
    /// The code this page is about.
    pub id: Code,
    /// Its stable text, as in the `code` field.
    pub code: &'static str,
    /// The HTTP status it comes with.
    pub status: u16,
    /// A short title.
    pub title: &'static str,
    /// Whether the same request, sent again later, may succeed.
    pub retryable: bool,
    /// What happened.
    pub meaning: &'static str,
    /// What to do next.
    pub action: &'static str,
}

/// Return the page of `code`, if there is such a code.
pub fn explain(code: &str) -> Option<&'static ErrorPage> {
    PAGES.iter().find(|page| page.code == code)
}

/// Return every page, in the order in which refusals are checked as far as they have one.
pub fn all() -> &'static [ErrorPage] {
    &PAGES
}

/// A refusal's or error's stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // Each is described in its page below.
pub enum Code {
    InvalidRequest,
    MethodNotAllowed,
    TooSlow,
    TooLarge,
    UriTooLong,
    UnsupportedMedia,
    HeadersTooLarge,
    Unauthenticated,
    Forbidden,
    NotFound,
    KeyReused,
    KeyInFlight,
    NotOpen,
    Paused,
    Ended,
    PassRequired,
    PassInvalid,
    NotEligible,
    ChallengeRequired,
    RefusedRisk,
    LimitReached,
    SoldOut,
    AllHeld,
    UnitsFree,
    OutOfReach,
    AlreadyFinal,
    Expired,
    RateLimited,
    Overloaded,
    Stopping,
    JournalFailed,
    AlreadyOpen,
}

impl Code {
    /// Return the page of this code.
    pub fn page(self) -> &'static ErrorPage {
        &PAGES[self as usize]
    }

    /// Return the text of the `code` field.
    pub fn as_str(self) -> &'static str {
        self.page().code
    }
}

/// How many codes there are.
pub(crate) const CODES: usize = 32;

const fn page(
    id: Code,
    code: &'static str,
    status: u16,
    title: &'static str,
    retryable: bool,
    meaning: &'static str,
    action: &'static str,
) -> ErrorPage {
    ErrorPage { id, code, status, title, retryable, meaning, action }
}

static PAGES: [ErrorPage; CODES] = [
    page(
        Code::InvalidRequest,
        "invalid_request",
        400,
        "The request is not valid",
        false,
        "A field is missing, unknown, of the wrong type or outside its limits.",
        "Read `detail`: it names the field and what is allowed. Correct the request; \
         sending it again unchanged gives the same answer.",
    ),
    page(
        Code::MethodNotAllowed,
        "method_not_allowed",
        405,
        "This address does not take that method",
        false,
        "The address exists, but not with this HTTP method.",
        "Use one of the methods in the `Allow` header.",
    ),
    page(
        Code::TooSlow,
        "too_slow",
        408,
        "The request took too long to arrive",
        true,
        "The body did not arrive completely before the deadline. Nothing was done.",
        "Send the request again, with the same Idempotency-Key.",
    ),
    page(
        Code::TooLarge,
        "too_large",
        413,
        "The body is too large",
        false,
        "Bodies on the public side are at most 4 KiB.",
        "Send less. Only `sku` is required to reserve.",
    ),
    page(
        Code::UriTooLong,
        "uri_too_long",
        414,
        "The address is too long",
        false,
        "The path and query are longer than any address of this service.",
        "Use an address from the OpenAPI document.",
    ),
    page(
        Code::UnsupportedMedia,
        "unsupported_media",
        415,
        "The body is of another kind",
        false,
        "The Content-Type is not what this address takes: JSON, or CSV for imports.",
        "Send JSON with `Content-Type: application/json`; imports take `text/csv`.",
    ),
    page(
        Code::HeadersTooLarge,
        "headers_too_large",
        431,
        "The headers are too large",
        false,
        "All headers together are at most 16 KiB, and at most 100 of them.",
        "Send fewer or shorter headers; often it is a cookie that grew.",
    ),
    page(
        Code::Unauthenticated,
        "unauthenticated",
        401,
        "Who is asking?",
        false,
        "No identity was shown, or the token is malformed, expired or not signed by a known key.",
        "Log in again and exchange the new token at `POST /v1/sessions`.",
    ),
    page(
        Code::Forbidden,
        "forbidden",
        403,
        "This identity may not do that",
        false,
        "The API key lacks the scope, or the request came from a page that is not allowed.",
        "Use a key with the scope named in `detail`, or add the page's origin to `cors.origins`.",
    ),
    page(
        Code::NotFound,
        "not_found",
        404,
        "There is no such thing",
        false,
        "It does not exist, or it is not yours; the answer is the same for both.",
        "Check the address, the campaign, the SKU and who you are logged in as.",
    ),
    page(
        Code::KeyReused,
        "key_reused",
        422,
        "This key came with another request",
        false,
        "The same Idempotency-Key was used before with a different request, or a payment \
         reference was reported twice with different amounts.",
        "Use a new key for a new request; repeat an old request with exactly its old content.",
    ),
    page(
        Code::KeyInFlight,
        "key_in_flight",
        409,
        "This key is being decided right now",
        true,
        "An earlier request with the same Idempotency-Key has no answer yet.",
        "Ask again with the same key after `retry_after_ms`.",
    ),
    page(
        Code::NotOpen,
        "not_open",
        403,
        "The sale has not opened yet",
        true,
        "Units can be reserved from `opens_at` on, not earlier.",
        "Wait until `opens_at`, counted with the server's clock (`GET /v1/time`).",
    ),
    page(
        Code::Paused,
        "paused",
        403,
        "The sale is paused",
        true,
        "An operator stopped new reservations for now. Live holds can still be paid.",
        "Ask again after `retry_after_ms`.",
    ),
    page(
        Code::Ended,
        "ended",
        403,
        "The sale is over",
        false,
        "No new reservations are accepted. Live holds can still be paid.",
        "Nothing more can be reserved here. Look at your reservations by their id.",
    ),
    page(
        Code::PassRequired,
        "pass_required",
        403,
        "A pass from the waiting room is required",
        false,
        "This campaign lets buyers in through a line.",
        "Join the line and send the pass in `Onrush-Pass`.",
    ),
    page(
        Code::PassInvalid,
        "pass_invalid",
        403,
        "The pass is not valid",
        false,
        "It is expired, used, changed, or belongs to another buyer or campaign.",
        "Look at your ticket: it tells your place and gives a new pass when it is your turn.",
    ),
    page(
        Code::NotEligible,
        "not_eligible",
        403,
        "This sale is by invitation",
        false,
        "The buyer is not among those this sale or wave is for.",
        "Use the account that was invited, or come back in the general wave.",
    ),
    page(
        Code::ChallengeRequired,
        "challenge_required",
        403,
        "Answer a challenge first",
        false,
        "The campaign asks this buyer for a challenge.",
        "Get a challenge, answer it, and send the request again.",
    ),
    page(
        Code::RefusedRisk,
        "refused_risk",
        403,
        "Refused by the sale's rules",
        false,
        "The risk policy refused this request.",
        "If this is wrong, contact the shop and quote the time of the request.",
    ),
    page(
        Code::LimitReached,
        "limit_reached",
        409,
        "You have reached the limit per buyer",
        false,
        "One buyer may hold or own a limited number of units here, in holds and orders together.",
        "Pay for or release what you hold. A hold that is released or expires frees its share.",
    ),
    page(
        Code::SoldOut,
        "sold_out",
        409,
        "Sold out",
        false,
        "All units are sold, or kept for those who wait. Supply may still be added.",
        "Where `waitlist` is true, join the waitlist; or try one of `alternatives`, where given.",
    ),
    page(
        Code::AllHeld,
        "all_held",
        409,
        "All units are on hold",
        true,
        "Every unit left is on hold for somebody; unpaid holds come back, to those who wait first.",
        "Where `waitlist` is true, join the waitlist. Otherwise ask again after `retry_after_ms`, or \
         try one of `alternatives`, where given.",
    ),
    page(
        Code::UnitsFree,
        "units_free",
        409,
        "Units are free",
        false,
        "There is nothing to wait for: units can be reserved now.",
        "Reserve instead. If somebody else is faster, join the waitlist then.",
    ),
    page(
        Code::OutOfReach,
        "out_of_reach",
        409,
        "No store can serve it there in time",
        true,
        "Every store that has it is too far away, closed or full for this delivery. Nothing was \
         held.",
        "Choose another delivery or a later window, or collect it at a store: \
         `GET /v1/campaigns/{campaign}/stores` lists those that have it.",
    ),
    page(
        Code::AlreadyFinal,
        "already_final",
        409,
        "This reservation is final",
        false,
        "It was sold, released or cancelled, and cannot go back from there.",
        "Look at the reservation. To take a sale back, ask the shop.",
    ),
    page(
        Code::Expired,
        "expired",
        410,
        "The hold has expired",
        false,
        "Its deadline passed before it was paid; the units are free again.",
        "Reserve again with a new Idempotency-Key. Money that came late is sold or refunded.",
    ),
    page(
        Code::RateLimited,
        "rate_limited",
        429,
        "Too many requests",
        true,
        "More requests came from one place than are allowed.",
        "Wait for `retry_after_ms`.",
    ),
    page(
        Code::Overloaded,
        "overloaded",
        503,
        "Too much at once",
        true,
        "There is no room for more work right now. Nothing was done.",
        "Ask again after `retry_after_ms`, with the same Idempotency-Key.",
    ),
    page(
        Code::Stopping,
        "stopping",
        503,
        "The service is restarting",
        true,
        "The service takes no new work while it stops. Nothing was done.",
        "Ask again after `retry_after_ms`, with the same Idempotency-Key.",
    ),
    page(
        Code::JournalFailed,
        "journal_failed",
        503,
        "The outcome is not known yet",
        true,
        "The journal failed while the request was decided: it may or may not have been recorded.",
        "Ask again with the same Idempotency-Key: you get the recorded outcome, or a new decision, \
         and never both.",
    ),
    page(
        Code::AlreadyOpen,
        "already_open",
        409,
        "The sale has started",
        false,
        "A reminder comes before the start, and that has passed.",
        "Reserve now, or join the line where the campaign has one.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_finds_its_own_page() {
        for (at, page) in all().iter().enumerate() {
            assert_eq!(page.id as usize, at, "{}", page.code);
            assert!(std::ptr::eq(page.id.page(), page));
            assert!(std::ptr::eq(explain(page.code).expect(page.code), page));
            assert!((400..=599).contains(&page.status));
            assert!(page.action.ends_with('.') && page.meaning.ends_with('.'), "{}", page.code);
        }
        assert!(explain("no_such_code").is_none());
    }

    #[test]
    fn statuses_follow_the_contract() {
        for (status, codes) in [
            (400, "invalid_request"),
            (401, "unauthenticated"),
            (403, "not_open paused ended pass_required pass_invalid not_eligible"),
            (403, "challenge_required refused_risk forbidden"),
            (404, "not_found"),
            (
                409,
                "sold_out all_held units_free limit_reached key_in_flight already_final already_open",
            ),
            (410, "expired"),
            (413, "too_large"),
            (415, "unsupported_media"),
            (422, "key_reused"),
            (429, "rate_limited"),
            (503, "overloaded stopping journal_failed"),
        ] {
            for code in codes.split(' ') {
                assert_eq!(explain(code).expect(code).status, status, "{code}");
            }
        }
    }
}
