//! Which nodes are near a destination: precomputed for each cell, nearest first.
//!
//! Cells are the leaves of a quadtree over the nodes' latitudes and longitudes, so they are small
//! where nodes are dense. Each cell keeps the nodes nearest to its centre. For a destination in the
//! cell, every node not in the list is at least `reach(cell, n) − |destination − centre|` away: the
//! triangle inequality on the sphere makes the list's end a bound, which a decision can prove itself
//! with. Lists hold nodes, not stock: stock, hours and capacity are read live, so nothing in a cell
//! ages when they change.

use crate::geo::{Position, Spot, chord2_to_km};
use crate::limits::CELL_NODES;
use rstar::{PointDistance, RTree, primitives::GeomWithData};

type Point = GeomWithData<[f64; 3], u32>;

/// Nodes up to which one list of all of them is kept instead of cells.
const SCAN_ALL_MAX: usize = 256;
/// Nodes in a quadtree leaf before it is divided.
const LEAF_NODES: usize = 8;
/// Leaves are not divided beyond this depth (about 20 m), however many nodes share a spot.
const DEPTH_MAX: u32 = 21;

/// The spatial index of one network.
#[derive(Debug)]
pub struct Cells {
    spots: Vec<Spot>,
    tree: RTree<Point>,
    branches: Vec<Branch>,
    leaves: Vec<Leaf>,
    lists: Vec<u32>,
}

#[derive(Debug)]
struct Branch {
    /// South-west, south-east, north-west, north-east; leaves have the high bit set.
    children: [u32; 4],
}

#[derive(Debug)]
struct Leaf {
    centre: Spot,
    start: u32,
    len: u32,
}

const LEAF_BIT: u32 = 1 << 31;

/// Nodes near one destination and how far the list is complete.
#[derive(Clone, Copy, Debug)]
pub struct Near<'a> {
    /// Node indexes, nearest to the cell's centre first.
    pub nodes: &'a [u32],
    /// The list has every node of the network.
    pub is_complete: bool,
    centre: Spot,
}

impl Cells {
    /// Index nodes by their positions. `O(n log n)`; about 15 µs a cell.
    pub fn build(positions: &[Position]) -> Cells {
        let spots: Vec<Spot> = positions.iter().map(|position| position.on_sphere()).collect();
        let points = spots.iter().enumerate().map(|(n, spot)| Point::new(spot.0, n as u32));
        let tree = RTree::bulk_load(points.collect());
        let mut cells =
            Cells { spots, tree, branches: Vec::new(), leaves: Vec::new(), lists: Vec::new() };
        if positions.len() <= SCAN_ALL_MAX {
            cells.lists = (0..positions.len() as u32).collect();
        } else {
            let all: Vec<u32> = (0..positions.len() as u32).collect();
            cells.divide(positions, all, Square::WORLD, 0);
        }
        cells
    }

    /// Return the nodes near a destination. `O(depth)`, no allocation.
    pub fn near(&self, to: Position) -> Near<'_> {
        let Some(mut branch) = self.branches.first() else {
            return Near { nodes: &self.lists, is_complete: true, centre: to.on_sphere() };
        };
        let mut square = Square::WORLD;
        loop {
            let child = square.quarter_of(to);
            square = square.quarter(child);
            let next = branch.children[child];
            if next & LEAF_BIT != 0 {
                let leaf = &self.leaves[(next & !LEAF_BIT) as usize];
                let nodes = &self.lists[leaf.start as usize..][..leaf.len as usize];
                return Near { nodes, is_complete: false, centre: leaf.centre };
            }
            branch = &self.branches[next as usize];
        }
    }

    /// Return every node by distance from a spot, nearest first. Lazy; allocates.
    pub fn by_distance(&self, from: Spot) -> impl Iterator<Item = u32> + '_ {
        self.tree.nearest_neighbor_iter(from.0).map(|point| point.data)
    }

    /// Return a lower bound, in straight km, on the distance from `to` to every node of the network
    /// that is not among the first `looked_at` of the list.
    pub fn beyond_km(&self, near: &Near<'_>, to: Spot, looked_at: usize) -> f64 {
        if near.is_complete && looked_at >= near.nodes.len() {
            return f64::INFINITY;
        }
        if near.is_complete || looked_at == 0 {
            return 0.0;
        }
        let last = self.spots[near.nodes[looked_at - 1] as usize];
        (near.centre.km(last) - near.centre.km(to)).max(0.0)
    }

    /// Return the point of a node on the unit sphere.
    #[inline]
    pub fn spot(&self, node: u32) -> Spot {
        self.spots[node as usize]
    }

    /// Divide a square until its nodes are few; return its reference.
    fn divide(
        &mut self,
        positions: &[Position],
        nodes: Vec<u32>,
        square: Square,
        depth: u32,
    ) -> u32 {
        if depth > 0 && (nodes.len() <= LEAF_NODES || depth >= DEPTH_MAX) {
            return self.add_leaf(square) | LEAF_BIT;
        }
        let me = self.branches.len();
        self.branches.push(Branch { children: [LEAF_BIT; 4] });
        let mut parts: [Vec<u32>; 4] = Default::default();
        for node in nodes {
            parts[square.quarter_of(positions[node as usize])].push(node);
        }
        for (child, part) in parts.into_iter().enumerate() {
            let reference = self.divide(positions, part, square.quarter(child), depth + 1);
            self.branches[me].children[child] = reference;
        }
        me as u32
    }

    fn add_leaf(&mut self, square: Square) -> u32 {
        let centre = square.centre().on_sphere();
        let start = self.lists.len() as u32;
        let nearest = self.tree.nearest_neighbor_iter(centre.0).take(CELL_NODES);
        self.lists.extend(nearest.map(|point| point.data));
        let len = self.lists.len() as u32 - start;
        self.leaves.push(Leaf { centre, start, len });
        self.leaves.len() as u32 - 1
    }
}

/// A rectangle of degrees.
#[derive(Clone, Copy)]
struct Square {
    south: f64,
    west: f64,
    height: f64,
    width: f64,
}

impl Square {
    const WORLD: Square = Square { south: -90.0, west: -180.0, height: 180.0, width: 360.0 };

    fn quarter_of(self, at: Position) -> usize {
        let north = at.lat() >= self.south + self.height / 2.0;
        let east = at.lon() >= self.west + self.width / 2.0;
        usize::from(north) << 1 | usize::from(east)
    }

    fn quarter(self, child: usize) -> Square {
        let (height, width) = (self.height / 2.0, self.width / 2.0);
        let south = self.south + if child & 2 != 0 { height } else { 0.0 };
        let west = self.west + if child & 1 != 0 { width } else { 0.0 };
        Square { south, west, height, width }
    }

    fn centre(self) -> Position {
        let (lat, lon) = (self.south + self.height / 2.0, self.west + self.width / 2.0);
        Position::new(lat, lon).unwrap_or_else(|_| unreachable!("quarters stay on the globe"))
    }
}

/// Return the straight distance between two indexed nodes, in km.
pub fn km_between(cells: &Cells, a: u32, b: u32) -> f64 {
    chord2_to_km(cells.spot(a).0.distance_2(&cells.spot(b).0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clustered() -> impl Strategy<Value = Vec<Position>> {
        let place = (0usize..4, -1.0f64..1.0, -1.0f64..1.0);
        prop::collection::vec(place, 300..700).prop_map(|places| {
            let centres = [(40.7, -74.0), (34.0, -118.2), (-17.0, 179.9), (89.0, 10.0)];
            let put = |(which, dy, dx): (usize, f64, f64)| {
                let (lat, lon): (f64, f64) = centres[which];
                let lon = (lon + dx + 540.0).rem_euclid(360.0) - 180.0;
                Position::new((lat + dy).min(90.0), lon).expect("on the globe")
            };
            places.into_iter().map(put).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn no_node_beyond_the_bound_is_nearer_than_it(
            positions in clustered(),
            lat in -89.0f64..89.0,
            lon in -180.0f64..180.0,
            at in any::<prop::sample::Index>(),
        ) {
            let cells = Cells::build(&positions);
            let far = Position::new(lat, lon).expect("on the globe");
            for to in [far, positions[at.index(positions.len())]] {
                let near = cells.near(to);
                prop_assert_eq!(near.nodes.len(), CELL_NODES);
                let spot = to.on_sphere();
                for looked_at in [1, CELL_NODES / 2, CELL_NODES] {
                    let bound = cells.beyond_km(&near, spot, looked_at);
                    let seen = &near.nodes[..looked_at];
                    let outside = (0..positions.len() as u32).filter(|n| !seen.contains(n));
                    let nearest = outside
                        .map(|n| spot.km(cells.spot(n)))
                        .fold(f64::INFINITY, f64::min);
                    prop_assert!(nearest >= bound - 1e-9, "{nearest} {bound}");
                }
            }
        }
    }

    #[test]
    fn a_small_network_is_one_complete_list() {
        let positions: Vec<Position> =
            (0..10).map(|n| Position::new(f64::from(n), 0.0).expect("on the globe")).collect();
        let cells = Cells::build(&positions);
        let near = cells.near(positions[3]);
        assert!(near.is_complete);
        assert_eq!(near.nodes.len(), 10);
        assert_eq!(cells.beyond_km(&near, positions[3].on_sphere(), 10), f64::INFINITY);
    }

    #[test]
    fn many_nodes_in_one_spot_do_not_divide_forever() {
        let same = Position::new(10.0, 10.0).expect("on the globe");
        let cells = Cells::build(&vec![same; 1_000]);
        assert_eq!(cells.near(same).nodes.len(), CELL_NODES);
    }
}
