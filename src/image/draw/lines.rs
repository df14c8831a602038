//! The graph as lines: each image once, below the deepest of its parents.

use super::Picture;

impl Picture {
    /// A tree for a terminal. An image with several parents stands below the one of the highest level, and names the
    /// others.
    pub fn lines(&self) -> String {
        let mut below: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        let mut roots = Vec::new();
        let mut main = vec![None; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            // Among equals the first in the file.
            let deepest = node.parents.iter().rev().max_by_key(|(parent, _)| self.nodes[*parent].level);
            match deepest {
                Some((parent, _)) => {
                    main[index] = Some(*parent);
                    below[*parent].push(index);
                }
                None => roots.push(index),
            }
        }
        let mut text = String::new();
        // What is still to be written, the next one last: the image, what its line begins with, what those below it do.
        let mut waiting: Vec<(usize, String, String)> =
            roots.into_iter().rev().map(|root| (root, String::new(), String::new())).collect();
        while let Some((index, lead, under)) = waiting.pop() {
            let node = &self.nodes[index];
            text.push_str(&lead);
            text.push_str(&node.name);
            if node.local_only {
                text.push_str(" (local only)");
            }
            let others: Vec<&str> = node
                .parents
                .iter()
                .filter(|(parent, _)| Some(*parent) != main[index])
                .map(|(parent, _)| self.nodes[*parent].name.as_str())
                .collect();
            if !others.is_empty() {
                text.push_str(&format!(" (needs {} too)", others.join(", ")));
            }
            text.push('\n');
            // Those of a lower level stand first: a short branch is soon read.
            for (place, child) in below[index].iter().rev().enumerate() {
                let (branch, gap) = if place == 0 { ("└── ", "    ") } else { ("├── ", "│   ") };
                waiting.push((*child, format!("{under}{branch}"), format!("{under}{gap}")));
            }
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&self.summary());
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::picture;

    #[test]
    fn each_image_stands_below_its_deepest_parent() {
        assert_eq!(
            picture().lines(),
            "base (local only)\n\
             ├── deep\n\
             └── tools\n    \
                 └── app (needs base, deep too)\n        \
                     └── leaf\n\
             other\n\
             \n\
             6 images in 4 levels\n"
        );
    }
}
