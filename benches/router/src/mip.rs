//! Single orders against a general MIP solver: HiGHS, told to close every gap.
//!
//! The model is the textbook one and shares nothing with the router's: a binary for each node used, an
//! integer for each node's units of a line, integers for what is left, a binary for leaving anything.

use highs::{Col, HighsModelStatus, RowProblem, Sense};
use onrush_router::cost::Cost;
use onrush_router::decide::Problem;

/// Return the least cost of a problem; `None` when HiGHS does not prove one.
pub(crate) fn least_cost(problem: &Problem, leave: (Cost, Cost)) -> Option<Cost> {
    let micros = |cost: Cost| cost.0 as f64;
    let mut mip = RowProblem::default();
    let nodes: Vec<Col> = (0..problem.candidates())
        .map(|node| mip.add_integer_column(micros(problem.fixed(node)), 0..=1))
        .collect();
    let leaves_any = mip.add_integer_column(micros(leave.0), 0..=1);
    let mut units: Vec<(Col, Cost)> = Vec::new();
    for (line, &need) in problem.need().iter().enumerate() {
        let left = mip.add_integer_column(micros(leave.1), 0..=need);
        units.push((left, leave.1));
        mip.add_row(..=0.0, [(left, 1.0), (leaves_any, -f64::from(need))]);
        let mut sum = vec![(left, 1.0)];
        for (node, &used) in nodes.iter().enumerate() {
            let have = problem.available(node, line);
            if have > 0 {
                let unit = problem.unit(node, line);
                let x = mip.add_integer_column(micros(unit), 0..=have);
                mip.add_row(..=0.0, [(x, 1.0), (used, -f64::from(have))]);
                sum.push((x, 1.0));
                units.push((x, unit));
            }
        }
        mip.add_row(f64::from(need)..=f64::from(need), sum);
    }
    mip.add_row(..=problem.split() as f64, nodes.iter().map(|&node| (node, 1.0)));
    let mut model = mip.optimise(Sense::Minimise);
    model.make_quiet();
    for gap in ["mip_rel_gap", "mip_abs_gap"] {
        model.set_option(gap, 0.0);
    }
    model.set_option("threads", 1);
    let solved = model.solve();
    if solved.status() != HighsModelStatus::Optimal {
        return None;
    }
    // Whole units at whole micro-units: rounding removes the solver's tolerance.
    let solution = solved.get_solution();
    let whole = |col: Col| solution.columns()[col.index()].round() as u32;
    let fixed: Cost = (0..nodes.len()).map(|node| problem.fixed(node) * whole(nodes[node])).sum();
    let left = leave.0 * whole(leaves_any);
    Some(fixed + left + units.iter().map(|&(x, unit)| unit * whole(x)).sum())
}
