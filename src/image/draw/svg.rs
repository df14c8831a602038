//! The graph as a picture for people: columns of boxes from left to right, a colour and a word for each group or level.
//! It stands alone: no scripts, no fonts, nothing from elsewhere.

use std::collections::BTreeSet;

use super::svg_layout::{number, rows};
use super::{Node, Picture, edge_words};
use crate::image::graph::EdgeKind;

const BOX: f64 = 20.0;
/// Width of a character of the monospaced 12 pixel font, a little more than in any usual one.
const CHARACTER: f64 = 7.4;
const PADDING: f64 = 7.0;
const MARGIN: f64 = 24.0;
/// Where the columns begin.
const TOP: f64 = 96.0;

/// Fill and border; dark text is readable on all of them.
const COLOURS: [(&str, &str); 10] = [
    ("#dbeafe", "#1d4ed8"),
    ("#dcfce7", "#15803d"),
    ("#fef3c7", "#b45309"),
    ("#fce7f3", "#be185d"),
    ("#ede9fe", "#6d28d9"),
    ("#cffafe", "#0e7490"),
    ("#ffedd5", "#c2410c"),
    ("#e2e8f0", "#334155"),
    ("#ecfccb", "#4d7c0f"),
    ("#fee2e2", "#b91c1c"),
];

impl Picture {
    /// A whole SVG document.
    pub fn svg(&self) -> String {
        let kinds = Kinds::of(self);
        let tops = rows(self);
        let levels = self.levels();
        let labels: Vec<String> = self.nodes.iter().map(|node| kinds.label(node)).collect();
        let wide = |text: &str| number(text.chars().count()) * CHARACTER;
        let mut widths = vec![wide("level 00: 000 images"); levels];
        let mut counts = vec![0_usize; levels];
        // Edges that have to be told apart between a column and the one before it.
        let mut edges = vec![0_usize; levels];
        for (node, label) in self.nodes.iter().zip(&labels) {
            widths[node.level] = widths[node.level].max(wide(label) + 2.0 * PADDING);
            counts[node.level] += 1;
            edges[node.level] += node.parents.len();
        }
        let mut lefts = Vec::with_capacity(levels);
        let mut at = MARGIN;
        for level in 0..levels {
            if level > 0 {
                at += (60.0 + number(edges[level]) * 1.2).min(220.0);
            }
            lefts.push(at);
            at += widths[level];
        }
        let legend = kinds.legend();
        let width =
            (at + MARGIN).max(MARGIN * 2.0 + legend.iter().map(|(word, _)| wide(word) + 34.0).sum::<f64>()).max(480.0);
        let height = TOP + tops.iter().copied().fold(0.0, f64::max) + BOX + MARGIN;
        let mut out = head(width, height, &format!("Images: {}", self.summary()));
        let mut x = MARGIN;
        for (word, colour) in &legend {
            let (fill, border) = COLOURS[colour % COLOURS.len()];
            out.push_str(&format!(
                "<rect x=\"{x:.1}\" y=\"46\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{fill}\" stroke=\"{border}\"/>\
                 <text x=\"{:.1}\" y=\"56\">{}</text>\n",
                x + 18.0,
                escaped(word)
            ));
            x += wide(word) + 34.0;
        }
        for level in 0..levels {
            let many = if counts[level] == 1 { "image" } else { "images" };
            out.push_str(&format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" class=\"head\">level {level}: {} {many}</text>\n",
                lefts[level],
                TOP - 14.0,
                counts[level]
            ));
        }
        // Deep ones first: boxes of lower levels lie over the edges that pass them.
        for (index, node) in self.nodes.iter().enumerate().rev() {
            let (left, top) = (lefts[node.level], TOP + tops[index]);
            out.push_str("<g class=\"i\">\n");
            for (parent, kind) in &node.parents {
                let from = &self.nodes[*parent];
                let (x1, y1) = (lefts[from.level] + widths[from.level], TOP + tops[*parent] + BOX / 2.0);
                let (x2, y2) = (left, top + BOX / 2.0);
                let bend = ((x2 - x1) / 2.0).min(90.0);
                let dashes = if *kind == EdgeKind::From { "" } else { " class=\"more\"" };
                out.push_str(&format!(
                    "<path{dashes} d=\"M{x1:.1} {y1:.1}C{:.1} {y1:.1} {:.1} {y2:.1} {x2:.1} {y2:.1}\"><title>{}</title></path>\n",
                    x1 + bend,
                    x2 - bend,
                    escaped(&format!("{} needs {}: {}", node.name, from.name, edge_words(*kind)))
                ));
            }
            let (fill, border) = COLOURS[kinds.colour(node) % COLOURS.len()];
            let dashes = if node.local_only { " stroke-dasharray=\"4 2\"" } else { "" };
            out.push_str(&format!(
                "<title>{}</title>\n<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BOX}\" rx=\"3\" \
                 fill=\"{fill}\" stroke=\"{border}\"{dashes}/>\n<text x=\"{:.1}\" y=\"{:.1}\">{}</text>\n</g>\n",
                escaped(&self.about(node)),
                widths[node.level],
                left + PADDING,
                top + 14.0,
                escaped(&labels[index])
            ));
        }
        out.push_str("</svg>\n");
        out
    }

    fn about(&self, node: &Node) -> String {
        let mut text = format!("{}\nlevel {}\n{}", node.name, node.level, node.dockerfile);
        if !node.parents.is_empty() {
            let names: Vec<&str> = node.parents.iter().map(|(parent, _)| self.nodes[*parent].name.as_str()).collect();
            text.push_str(&format!("\nneeds {}", names.join(", ")));
        }
        if !node.groups.is_empty() {
            text.push_str(&format!("\ngroups {}", node.groups.join(", ")));
        }
        if node.local_only {
            text.push_str("\nlocal only: built, never pushed");
        }
        text
    }
}

fn head(width: f64, height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"monospace\" font-size=\"12\" fill=\"#111\">\n\
         <title>{0}</title>\n\
         <desc>An image stands right of all that it needs. A line leads from a parent to its child; a dashed one stands for COPY --from, \
         RUN --mount=from or a declared parent.</desc>\n\
         <style>path{{fill:none;stroke:#64748b;stroke-opacity:.55}}.more{{stroke-dasharray:5 3}}.head{{font-weight:bold;fill:#475569}}\
         .i:hover path{{stroke:#b91c1c;stroke-opacity:1;stroke-width:2}}.i:hover rect{{stroke-width:2}}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{MARGIN}\" y=\"28\" font-size=\"15\" font-weight=\"bold\">{0}</text>\n",
        escaped(title)
    )
}

/// What colours stand for: groups where there are some, else levels.
struct Kinds {
    groups: Option<Vec<String>>,
    /// Some image is in no group.
    ungrouped: bool,
    levels: usize,
}

impl Kinds {
    fn of(picture: &Picture) -> Self {
        let groups: BTreeSet<&String> = picture.nodes.iter().filter_map(|node| node.groups.first()).collect();
        let groups = (!groups.is_empty()).then(|| groups.into_iter().cloned().collect());
        let ungrouped = picture.nodes.iter().any(|node| node.groups.is_empty());
        Self { groups, ungrouped, levels: picture.levels() }
    }

    fn colour(&self, node: &Node) -> usize {
        match &self.groups {
            None => node.level,
            // The last colour is of those in no group.
            Some(groups) => node.groups.first().and_then(|own| groups.binary_search(own).ok()).unwrap_or(groups.len()),
        }
    }

    /// The text of a box: a name, and in words what colour or border says.
    fn label(&self, node: &Node) -> String {
        let mut label = node.name.clone();
        if let (Some(_), Some(group)) = (&self.groups, node.groups.first()) {
            label.push_str(&format!(" [{group}]"));
        }
        if node.local_only {
            label.push_str(" (local only)");
        }
        label
    }

    fn legend(&self) -> Vec<(String, usize)> {
        match &self.groups {
            None => (0..self.levels).map(|level| (format!("level {level}"), level)).collect(),
            Some(groups) => {
                let words = groups.iter().map(|group| format!("group {group}"));
                words.chain(self.ungrouped.then(|| "no group".to_owned())).zip(0..).collect()
            }
        }
    }
}

/// A text in XML: markup as entities, characters that XML cannot have replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push('\n'),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::picture;

    #[test]
    fn the_picture_stands_alone_and_says_all_in_words() {
        let svg = picture().svg();
        for text in [
            ">Images: 6 images in 4 levels</text>",
            ">base (local only)</text>",
            ">leaf [web]</text>",
            ">group web</text>",
            ">no group</text>",
            ">level 1: 2 images</text>",
            "<title>app needs tools: COPY --from</title>",
            "images/&lt;&quot;&amp;&#39;&gt;\u{fffd}\\x/Dockerfile",
        ] {
            assert!(svg.contains(text), "{text}\n{svg}");
        }
        assert_eq!(svg.matches("<path").count(), 6);
        assert_eq!(svg.matches("class=\"more\"").count(), 2);
        // Its name space is no reference; nothing else is fetched, and nothing runs.
        assert_eq!(svg.matches("http").count(), 1);
        assert!(!svg.contains("href") && !svg.contains("<script") && !svg.contains("url("));
    }

    #[test]
    fn without_groups_levels_have_colours() {
        let mut picture = picture();
        picture.nodes.iter_mut().for_each(|node| node.groups.clear());
        let svg = picture.svg();
        assert!(svg.contains(">level 3</text>") && !svg.contains("no group"), "{svg}");
    }
}
