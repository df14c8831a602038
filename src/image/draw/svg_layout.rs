//! Where the boxes of the picture stand: a column for each level, rows so that edges are short and cross little.

use super::Picture;

/// From one row to the next.
pub(super) const ROW: f64 = 26.0;

/// How often columns are put in order from left to right and back.
const SWEEPS: usize = 12;

/// A count as a length.
#[expect(clippy::cast_precision_loss, reason = "counts of images and characters are small")]
pub(super) fn number(count: usize) -> f64 {
    count as f64
}

/// The top of each image's box, from 0.
pub(super) fn rows(picture: &Picture) -> Vec<f64> {
    let count = picture.nodes.len();
    let mut columns: Vec<Vec<usize>> = vec![Vec::new(); picture.levels()];
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); count];
    let parents: Vec<Vec<usize>> =
        picture.nodes.iter().map(|node| node.parents.iter().map(|(parent, _)| *parent).collect()).collect();
    for (index, node) in picture.nodes.iter().enumerate() {
        columns[node.level].push(index);
        for parent in &parents[index] {
            children[*parent].push(index);
        }
    }
    let mut tops = vec![0.0; count];
    for column in &columns {
        for (row, index) in column.iter().enumerate() {
            tops[*index] = number(row) * ROW;
        }
    }
    for sweep in 0..SWEEPS {
        let forth = sweep % 2 == 1 || sweep + 1 == SWEEPS;
        let neighbours = if forth { &parents } else { &children };
        for step in 0..columns.len() {
            let level = if forth { step } else { columns.len() - 1 - step };
            settle(&mut columns[level], neighbours, &mut tops);
        }
    }
    let highest = tops.iter().copied().fold(f64::INFINITY, f64::min);
    for top in &mut tops {
        *top -= highest;
    }
    tops
}

/// Puts a column in the order of where its images would like to stand, the middle of their neighbours, and moves them apart as
/// little as it takes.
fn settle(column: &mut [usize], neighbours: &[Vec<usize>], tops: &mut [f64]) {
    let wish = |index: usize| {
        let around = &neighbours[index];
        if around.is_empty() {
            tops[index]
        } else {
            around.iter().map(|other| tops[*other]).sum::<f64>() / number(around.len())
        }
    };
    let mut wishes: Vec<(f64, usize)> = column.iter().map(|index| (wish(*index), *index)).collect();
    // The sort is stable: those with one wish keep their order.
    wishes.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Blocks of neighbours that touch each other: the sum of where their first would stand, and their number.
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for (row, (wish, _)) in wishes.iter().enumerate() {
        blocks.push((wish - number(row) * ROW, 1));
        while let [.., (before, many), (after, few)] = blocks.as_slice()
            && before / number(*many) > after / number(*few)
        {
            let joined = (before + after, many + few);
            blocks.pop();
            blocks.pop();
            blocks.push(joined);
        }
    }
    let mut row = 0;
    for (sum, many) in blocks {
        for _ in 0..many {
            let (_, index) = wishes[row];
            column[row] = index;
            tops[index] = sum / number(many) + number(row) * ROW;
            row += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::draw::Node;
    use crate::image::graph::EdgeKind;

    proptest::proptest! {
        #[test]
        fn no_box_covers_another(parents in proptest::collection::vec(proptest::collection::vec(0usize..1000, 0..4), 1..120)) {
            let mut nodes: Vec<Node> = Vec::new();
            for (index, own) in parents.iter().enumerate() {
                let parents: Vec<(usize, EdgeKind)> =
                    own.iter().filter(|_| index > 0).map(|parent| (parent % index.max(1), EdgeKind::From)).collect();
                let level = parents.iter().map(|(parent, _)| nodes[*parent].level + 1).max().unwrap_or(0);
                nodes.push(Node {
                    name: format!("i{index}"), level, parents, dockerfile: String::new(), local_only: false, groups: vec![],
                });
            }
            // As in a picture, the last has the highest level.
            let highest = nodes.iter().map(|node| node.level).max().unwrap_or(0);
            nodes.push(Node {
                name: "last".into(), level: highest, parents: vec![], dockerfile: String::new(), local_only: false, groups: vec![],
            });
            let picture = Picture { nodes };
            let tops = rows(&picture);
            for (index, node) in picture.nodes.iter().enumerate() {
                proptest::prop_assert!(tops[index] >= 0.0 && tops[index].is_finite());
                for other in 0..index {
                    if picture.nodes[other].level == node.level {
                        proptest::prop_assert!((tops[index] - tops[other]).abs() > ROW - 0.001);
                    }
                }
            }
        }
    }
}
