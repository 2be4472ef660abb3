//! Chinese coordinate systems to WGS-84.
//!
//! Maps published in mainland China shift positions by up to 700 m (GCJ-02), and one provider shifts
//! them again (BD-09). A store's coordinates are worthless for a one-hour promise until the system is
//! named. The shift is the published polynomial on the Krasovsky 1940 ellipsoid; its inverse is found
//! by fixed-point iteration to below a centimetre. Outside the shifted rectangle GCJ-02 equals WGS-84.

use crate::geo::{Position, PositionError};
use std::f64::consts::PI;
use std::str::FromStr;

/// The system a latitude and longitude are given in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Crs {
    /// What satellites give and most of the world uses.
    #[default]
    Wgs84,
    /// What maps in mainland China show.
    Gcj02,
    /// GCJ-02 shifted once more.
    Bd09,
}

impl Crs {
    /// Convert degrees in this system to a WGS-84 position.
    ///
    /// # Errors
    /// When they are not on the globe.
    pub fn to_wgs84(self, lat: f64, lon: f64) -> Result<Position, PositionError> {
        let given = Position::new(lat, lon)?;
        match self {
            Crs::Wgs84 => Ok(given),
            Crs::Gcj02 => unshift(given),
            Crs::Bd09 => unshift(bd09_to_gcj02(given)?),
        }
    }

    /// Convert a WGS-84 position to this system.
    ///
    /// # Errors
    /// When the shifted position leaves the globe, which no place in China does.
    pub fn from_wgs84(self, position: Position) -> Result<Position, PositionError> {
        match self {
            Crs::Wgs84 => Ok(position),
            Crs::Gcj02 => shift(position),
            Crs::Bd09 => gcj02_to_bd09(shift(position)?),
        }
    }
}

impl FromStr for Crs {
    type Err = UnknownCrs;

    fn from_str(text: &str) -> Result<Crs, UnknownCrs> {
        let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        match plain.to_ascii_lowercase().as_str() {
            "wgs84" | "epsg4326" => Ok(Crs::Wgs84),
            "gcj02" => Ok(Crs::Gcj02),
            "bd09" => Ok(Crs::Bd09),
            _ => Err(UnknownCrs),
        }
    }
}

/// A coordinate system the router does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCrs;

impl std::fmt::Display for UnknownCrs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a coordinate system is one of WGS-84, GCJ-02, BD-09")
    }
}

impl std::error::Error for UnknownCrs {}

const SEMI_MAJOR_M: f64 = 6_378_245.0;
const ECCENTRICITY2: f64 = 0.006_693_421_622_965_943;
/// Rounds of the inverse; each divides the error by about a hundred.
const INVERSE_ROUNDS: usize = 6;

fn is_shifted(position: Position) -> bool {
    (72.004..=137.8347).contains(&position.lon()) && (0.8293..=55.8271).contains(&position.lat())
}

fn shift(position: Position) -> Result<Position, PositionError> {
    if !is_shifted(position) {
        return Ok(position);
    }
    let (lat, lon) = (position.lat(), position.lon());
    let (north_m, east_m) = offset_m(lon - 105.0, lat - 35.0);
    let radians = lat.to_radians();
    let magic = 1.0 - ECCENTRICITY2 * radians.sin().powi(2);
    let meridian_m = SEMI_MAJOR_M * (1.0 - ECCENTRICITY2) / (magic * magic.sqrt());
    let parallel_m = SEMI_MAJOR_M / magic.sqrt() * radians.cos();
    Position::new(
        lat + (north_m / meridian_m).to_degrees(),
        lon + (east_m / parallel_m).to_degrees(),
    )
}

fn unshift(given: Position) -> Result<Position, PositionError> {
    let mut guess = given;
    for _ in 0..INVERSE_ROUNDS {
        let image = shift(guess)?;
        guess = Position::new(
            guess.lat() + given.lat() - image.lat(),
            guess.lon() + given.lon() - image.lon(),
        )?;
    }
    Ok(guess)
}

/// The shift to the north and east in metres, from degrees east of 105° and north of 35°.
fn offset_m(x: f64, y: f64) -> (f64, f64) {
    let wave = |terms: &[(f64, f64)]| -> f64 {
        terms.iter().map(|&(height, angle)| height * (angle * PI).sin()).sum::<f64>() * 2.0 / 3.0
    };
    let root = x.abs().sqrt();
    let short = wave(&[(20.0, 6.0 * x), (20.0, 2.0 * x)]);
    let north = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * root
        + short
        + wave(&[(20.0, y), (40.0, y / 3.0)])
        + wave(&[(160.0, y / 12.0), (320.0, y / 30.0)]);
    let east = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * root
        + short
        + wave(&[(20.0, x), (40.0, x / 3.0)])
        + wave(&[(150.0, x / 12.0), (300.0, x / 30.0)]);
    (north, east)
}

const BD_ANGLE: f64 = PI * 3_000.0 / 180.0;

fn bd09_to_gcj02(given: Position) -> Result<Position, PositionError> {
    let (x, y) = (given.lon() - 0.0065, given.lat() - 0.006);
    let radius = x.hypot(y) - 0.000_02 * (y * BD_ANGLE).sin();
    let angle = y.atan2(x) - 0.000_003 * (x * BD_ANGLE).cos();
    Position::new(radius * angle.sin(), radius * angle.cos())
}

fn gcj02_to_bd09(given: Position) -> Result<Position, PositionError> {
    let (x, y) = (given.lon(), given.lat());
    let radius = x.hypot(y) + 0.000_02 * (y * BD_ANGLE).sin();
    let angle = y.atan2(x) + 0.000_003 * (x * BD_ANGLE).cos();
    Position::new(radius * angle.sin() + 0.006, radius * angle.cos() + 0.0065)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn metres(a: Position, b: Position) -> f64 {
        a.on_sphere().km(b.on_sphere()) * 1_000.0
    }

    fn wgs(lat: f64, lon: f64) -> Position {
        Position::new(lat, lon).expect("on the globe")
    }

    #[test]
    fn known_points_convert_within_two_metres() {
        // Published pairs: Tian'anmen as the three systems give it.
        let square = wgs(39.907_333, 116.391_083);
        let mapped = Crs::Gcj02.from_wgs84(square).expect("in China");
        assert!(metres(mapped, wgs(39.908_736, 116.397_325)) < 2.0, "{mapped:?}");
        // A pair that circulates in the documentation of several converters.
        let mapped = Crs::Gcj02.from_wgs84(wgs(39.915, 116.404)).expect("in China");
        assert!(metres(mapped, wgs(39.916_404, 116.410_244)) < 0.2, "{mapped:?}");
        let back = Crs::Gcj02.to_wgs84(39.915, 116.404).expect("in China");
        assert!(metres(back, wgs(39.913_596, 116.397_756)) < 3.0, "{back:?}");
        let once = bd09_to_gcj02(wgs(39.915, 116.404)).expect("in China");
        assert!(metres(once, wgs(39.908_656, 116.397_627)) < 0.2, "{once:?}");
    }

    #[test]
    fn outside_china_nothing_moves() {
        let tower = wgs(48.858_4, 2.294_5);
        assert_eq!(Crs::Gcj02.from_wgs84(tower), Ok(tower));
        assert_eq!(Crs::Gcj02.to_wgs84(48.858_4, 2.294_5), Ok(tower));
    }

    #[test]
    fn names_are_read_in_any_spelling() {
        for (text, crs) in [
            ("WGS-84", Crs::Wgs84),
            ("gcj02", Crs::Gcj02),
            ("BD-09", Crs::Bd09),
            ("bd_09", Crs::Bd09),
        ] {
            assert_eq!(text.parse(), Ok(crs));
        }
        assert_eq!("utm".parse::<Crs>(), Err(UnknownCrs));
    }

    proptest! {
        #[test]
        fn conversions_come_back(lat in 18.0f64..53.0, lon in 74.0f64..134.0) {
            let there = wgs(lat, lon);
            for (crs, limit_m) in [(Crs::Gcj02, 0.01), (Crs::Bd09, 0.6)] {
                let away = crs.from_wgs84(there).expect("in China");
                let back = crs.to_wgs84(away.lat(), away.lon()).expect("in China");
                prop_assert!(metres(back, there) < limit_m, "{crs:?} {}", metres(back, there));
            }
        }
    }
}
