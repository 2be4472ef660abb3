//! The numbers that scorers see: one array with named places.
//!
//! A place keeps its meaning for ever; a change of meaning is a new version, and a model or a
//! recording of another version is refused. Every number is finite: what is not known is 0 unless the
//! table says otherwise.

/// Places in [`Signals`].
pub const SIGNALS: usize = 48;

/// Version of the meaning of all places.
pub const SIGNALS_VERSION: u32 = 1;

/// What is known of one request, in numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signals([f32; SIGNALS]);

macro_rules! signals {
    ($($name:ident = $at:literal, $text:literal, $doc:literal;)*) => {
        /// The name of a place in [`Signals`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Signal {
            $(#[doc = $doc] $name = $at,)*
        }

        impl Signal {
            /// Every signal, in the order of its place.
            pub const ALL: [Signal; SIGNALS] = [$(Signal::$name,)*];

            /// Return the word that models, recordings and operators use.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Signal::$name => $text,)*
                }
            }

            /// Return what it means, for people.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Signal::$name => $doc,)*
                }
            }
        }
    };
}

signals! {
    HeaderOrderOdd = 0, "header_order_odd", "Header order unlike any browser's, 0 to 1.";
    HeadersMissing = 1, "headers_missing", "Share of the headers that browsers send and this one did not.";
    HttpVersion = 2, "http_version", "HTTP version times ten: 10, 11, 20, 30.";
    AgentMismatch = 3, "agent_mismatch", "The user agent contradicts the other headers, 0 or 1.";
    AgentTool = 4, "agent_tool", "The user agent names a program or is missing, 0 or 1.";
    Ja4Known = 5, "ja4_known", "A trusted proxy gave a TLS digest, 0 or 1.";
    Ja4Mismatch = 6, "ja4_mismatch", "The TLS digest contradicts the user agent, 0 or 1.";
    Ja4Count1m = 7, "ja4_count_1m", "Requests with the same TLS digest, decayed over a minute.";
    OpeningOffset = 8, "opening_offset", "Seconds after the opening, -3600 to 3600.";
    PhaseLock = 9, "phase_lock", "How near the opening the request came: 1 on it, 0 from 250 ms on.";
    TokenAge = 10, "token_age", "Age of the session in seconds, at most 86400.";
    ProbesBefore = 11, "probes_before", "Requests of the account before the opening.";
    Regularity = 12, "regularity", "How even the account's requests are in time, 0 to 1.";
    Beacons = 13, "beacons", "Times the page said that it is open.";
    SinceLast = 14, "since_last", "Seconds since the account's request before, at most 3600.";
    AddressCount1s = 15, "address_count_1s", "Requests from the address prefix, decayed over a second.";
    AddressCount1m = 16, "address_count_1m", "The same over a minute.";
    AddressCount1h = 17, "address_count_1h", "The same over an hour.";
    AddressAccounts = 18, "address_accounts", "Distinct accounts behind the address prefix.";
    AddressAge = 19, "address_age", "Seconds since the address prefix was first seen.";
    DeviceCount1s = 20, "device_count_1s", "Requests from the device token, decayed over a second.";
    DeviceCount1m = 21, "device_count_1m", "The same over a minute.";
    DeviceCount1h = 22, "device_count_1h", "The same over an hour.";
    DeviceAccounts = 23, "device_accounts", "Distinct accounts with the device token.";
    DeviceAge = 24, "device_age", "Seconds since the device token was first seen.";
    DeviceAbsent = 25, "device_absent", "No device token came, 0 or 1.";
    AccountCount1s = 26, "account_count_1s", "Requests of the account, decayed over a second.";
    AccountCount1m = 27, "account_count_1m", "The same over a minute.";
    AccountCount1h = 28, "account_count_1h", "The same over an hour.";
    AccountSeen = 29, "account_seen", "Seconds since the account was first seen here.";
    DestinationAccounts = 30, "destination_accounts", "Distinct accounts with the delivery address.";
    DestinationCount1h = 31, "destination_count_1h", "Requests with the delivery address, over an hour.";
    PaymentAccounts = 32, "payment_accounts", "Distinct accounts with the payment instrument.";
    PaymentCount1h = 33, "payment_count_1h", "Requests with the payment instrument, over an hour.";
    PhoneAccounts = 34, "phone_accounts", "Distinct accounts with the phone number.";
    PhoneCount1h = 35, "phone_count_1h", "Requests with the phone number, over an hour.";
    ClusterSize = 36, "cluster_size", "Accounts in the cluster.";
    ClusterGrowth = 37, "cluster_growth", "Accounts that joined the cluster, decayed over a minute.";
    ClusterWins = 38, "cluster_wins", "Units that the cluster holds or bought.";
    SyncPeers = 39, "sync_peers", "Requests with the same behaviour within 250 ms.";
    AccountAge = 40, "account_age", "Age of the account in days, as its token says; -1 when not known.";
    EarlierWins = 41, "earlier_wins", "Wins in earlier campaigns, where that history is kept.";
    UnpaidHolds = 42, "unpaid_holds", "Holds that the cluster let expire.";
    UnpaidShare = 43, "unpaid_share", "Their share of all its holds that ended, 0 to 1.";
    ChallengeTime = 44, "challenge_time", "Time for the challenge over the expected time; 0: none.";
    ChallengeLevel = 45, "challenge_level", "Level of the challenge that was passed, 0 to 3.";
    Replay = 46, "replay", "A used or forged token or proof was shown, 0 or 1.";
    Honeypot = 47, "honeypot", "Something was used that no person sees, 0 or 1.";
}

impl Signals {
    /// Signals of which nothing is known.
    pub const ZERO: Signals = Signals([0.0; SIGNALS]);

    /// Take an array as it is, with 0 for what is not finite.
    pub fn new(values: [f32; SIGNALS]) -> Signals {
        Signals(values.map(|value| if value.is_finite() { value } else { 0.0 }))
    }

    /// Return one number.
    #[inline]
    pub const fn get(&self, signal: Signal) -> f32 {
        self.0[signal as usize]
    }

    /// Set one number; what is not finite becomes 0.
    #[inline]
    pub fn set(&mut self, signal: Signal, value: f32) {
        self.0[signal as usize] = if value.is_finite() { value } else { 0.0 };
    }

    /// Return all numbers.
    #[inline]
    pub const fn values(&self) -> &[f32; SIGNALS] {
        &self.0
    }
}

impl Signal {
    /// Return the signal at this place.
    pub fn at(place: usize) -> Option<Signal> {
        Signal::ALL.get(place).copied()
    }

    /// Find a signal by its word.
    pub fn named(text: &str) -> Option<Signal> {
        Signal::ALL.into_iter().find(|signal| signal.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_its_own_name() {
        for (at, signal) in Signal::ALL.into_iter().enumerate() {
            assert_eq!(signal as usize, at);
            assert_eq!(Signal::at(at), Some(signal));
            assert_eq!(Signal::named(signal.as_str()), Some(signal), "a name is used twice");
        }
        assert_eq!(Signal::at(SIGNALS), None);
    }

    #[test]
    fn no_number_is_ever_not_finite() {
        let mut values = [1.0; SIGNALS];
        (values[3], values[5]) = (f32::NAN, f32::NEG_INFINITY);
        let mut signals = Signals::new(values);
        signals.set(Signal::Replay, f32::INFINITY);
        signals.set(Signal::Beacons, 7.0);
        assert!(signals.values().iter().all(|value| value.is_finite()));
        assert_eq!((signals.get(Signal::AgentMismatch), signals.get(Signal::Beacons)), (0.0, 7.0));
        assert_eq!(signals.get(Signal::Replay), 0.0);
    }
}
