//! Places on the globe and the distances between them.
//!
//! A place is kept twice: as WGS-84 degrees and as a point on the unit sphere. Chords between unit
//! vectors order places as great circles do, without a trigonometric call and without a seam at the
//! date line or the poles.

use std::fmt;

/// Mean radius of the Earth (IUGG 1980), in kilometres.
pub const EARTH_RADIUS_KM: f64 = 6_371.008_8;

/// Kilometres in an international mile.
pub const KM_PER_MILE: f64 = 1.609_344;

/// A position in WGS-84 degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    lat: f64,
    lon: f64,
}

impl Position {
    /// Check a latitude and a longitude in degrees.
    ///
    /// # Errors
    /// When one of them is not a number or out of its range.
    pub fn new(lat: f64, lon: f64) -> Result<Position, PositionError> {
        if !(-90.0..=90.0).contains(&lat) {
            return Err(PositionError::Latitude(lat));
        }
        if !(-180.0..=180.0).contains(&lon) {
            return Err(PositionError::Longitude(lon));
        }
        Ok(Position { lat, lon })
    }

    /// Return the latitude in degrees.
    pub fn lat(self) -> f64 {
        self.lat
    }

    /// Return the longitude in degrees.
    pub fn lon(self) -> f64 {
        self.lon
    }

    /// Return the point on the unit sphere.
    pub fn on_sphere(self) -> Spot {
        let (lat, lon) = (self.lat.to_radians(), self.lon.to_radians());
        Spot([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()])
    }
}

/// A point on the unit sphere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot(pub [f64; 3]);

impl Spot {
    /// Return the squared chord to `other`: grows with the distance, costs eight operations.
    #[inline]
    pub fn chord2(self, other: Spot) -> f64 {
        let [dx, dy, dz] = [self.0[0] - other.0[0], self.0[1] - other.0[1], self.0[2] - other.0[2]];
        dx * dx + dy * dy + dz * dz
    }

    /// Return the great-circle distance to `other`, in kilometres.
    #[inline]
    pub fn km(self, other: Spot) -> f64 {
        chord2_to_km(self.chord2(other))
    }
}

/// Return the great-circle distance that belongs to a squared chord, in kilometres.
#[inline]
pub fn chord2_to_km(chord2: f64) -> f64 {
    2.0 * EARTH_RADIUS_KM * (0.5 * chord2.sqrt()).min(1.0).asin()
}

/// Return the squared chord of a great-circle distance; farther than half the globe is everywhere.
pub fn km_to_chord2(km: f64) -> f64 {
    let half_angle = (km / EARTH_RADIUS_KM / 2.0).min(std::f64::consts::FRAC_PI_2);
    let chord = 2.0 * half_angle.sin();
    if km >= EARTH_RADIUS_KM * std::f64::consts::PI { f64::INFINITY } else { chord * chord }
}

/// The way to travel between two places, in kilometres.
///
/// The router asks once for each candidate that passed its other checks. An implementation that
/// calls a routing service answers from a table it filled before; it must be pure between changes.
pub trait Distance: Send + Sync {
    /// Return the kilometres from `node` (its index and spot) to `to`.
    fn km(&self, node: u32, from: Spot, to: Spot) -> f64;
}

/// Great circle times a detour factor.
///
/// The default factor, 1.32, is a planning value for road networks; published averages by
/// country lie between about 1.2 and 1.6 (Ballou, Rahardja and Sakai 2002, *Selected country
/// circuity factors for road travel distance estimation*).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GreatCircle {
    /// Road kilometres for each straight one.
    pub detour: f64,
}

impl Distance for GreatCircle {
    #[inline]
    fn km(&self, _node: u32, from: Spot, to: Spot) -> f64 {
        from.km(to) * self.detour
    }
}

/// Distances from a table, for destinations known beforehand; great circle for the others.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    rows: std::collections::HashMap<[u64; 3], Vec<f64>>,
    detour: f64,
}

impl Matrix {
    /// Start an empty table that answers unknown destinations with great circle times `detour`.
    pub fn new(detour: f64) -> Matrix {
        Matrix { rows: std::collections::HashMap::new(), detour }
    }

    /// State the kilometres from each node, in the network's order, to one destination.
    pub fn insert(&mut self, to: Position, km: Vec<f64>) {
        self.rows.insert(to.on_sphere().0.map(f64::to_bits), km);
    }
}

impl Distance for Matrix {
    fn km(&self, node: u32, from: Spot, to: Spot) -> f64 {
        let row = self.rows.get(&to.0.map(f64::to_bits));
        row.and_then(|row| row.get(node as usize))
            .copied()
            .unwrap_or_else(|| GreatCircle { detour: self.detour }.km(node, from, to))
    }
}

/// A latitude or longitude that is not on the globe.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum PositionError {
    /// Outside −90 ..= 90.
    Latitude(f64),
    /// Outside −180 ..= 180.
    Longitude(f64),
}

impl fmt::Display for PositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PositionError::Latitude(lat) => {
                write!(f, "latitude {lat} is not between -90 and 90 degrees")
            }
            PositionError::Longitude(lon) => {
                write!(f, "longitude {lon} is not between -180 and 180 degrees")
            }
        }
    }
}

impl std::error::Error for PositionError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lat: f64, lon: f64) -> Spot {
        Position::new(lat, lon).expect("on the globe").on_sphere()
    }

    #[test]
    fn distances_match_known_pairs() {
        // A quarter of a meridian, and London to New York by the haversine formula.
        let quarter = EARTH_RADIUS_KM * std::f64::consts::FRAC_PI_2;
        assert!((at(0.0, 0.0).km(at(90.0, 0.0)) - quarter).abs() < 1e-6);
        let ocean = at(51.5074, -0.1278).km(at(40.7128, -74.0060));
        assert!((ocean - 5_570.2).abs() < 1.0, "{ocean}");
    }

    #[test]
    fn the_date_line_is_no_seam() {
        let across = at(-17.0, 179.9).km(at(-17.0, -179.9));
        assert!((across - 21.27).abs() < 0.1, "{across}");
    }

    #[test]
    fn chords_and_kilometres_convert_both_ways() {
        for km in [0.001, 1.0, 60.0, 5_000.0, 20_000.0] {
            assert!((chord2_to_km(km_to_chord2(km)) - km).abs() < 1e-6 * km.max(1.0));
        }
        assert_eq!(km_to_chord2(40_000.0), f64::INFINITY);
    }

    #[test]
    fn refuses_places_off_the_globe() {
        assert!(Position::new(90.1, 0.0).is_err());
        assert!(Position::new(f64::NAN, 0.0).is_err());
        assert!(Position::new(0.0, -180.5).is_err());
    }

    #[test]
    fn a_matrix_answers_what_it_knows() {
        let to = Position::new(40.0, 100.0).expect("on the globe");
        let mut matrix = Matrix::new(2.0);
        matrix.insert(to, vec![7.5]);
        let from = at(40.0, 101.0);
        assert_eq!(matrix.km(0, from, to.on_sphere()), 7.5);
        assert_eq!(matrix.km(1, from, to.on_sphere()), 2.0 * from.km(to.on_sphere()));
    }
}
