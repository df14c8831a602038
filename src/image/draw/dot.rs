//! The graph in graphviz's language.

use super::{Picture, edge_words};
use crate::image::graph::EdgeKind;

impl Picture {
    /// A `digraph` from parents to children, left to right, one rank for each level.
    pub fn dot(&self) -> String {
        let mut text = String::from(
            "digraph images {\n  rankdir=LR;\n  ranksep=1;\n  node [shape=box, fontname=\"monospace\", fontsize=11, height=0.3];\n",
        );
        for (index, node) in self.nodes.iter().enumerate() {
            let new_level = index == 0 || self.nodes[index - 1].level != node.level;
            if new_level {
                if index > 0 {
                    text.push_str("  }\n");
                }
                text.push_str(&format!("  subgraph level_{} {{\n  rank=same;\n", node.level));
            }
            let mut more = String::new();
            if node.local_only {
                more = format!(", style=dashed, label={}", quoted(&format!("{} (local only)", node.name)));
            }
            text.push_str(&format!("  {} [tooltip={}{more}];\n", quoted(&node.name), quoted(&node.dockerfile)));
        }
        if !self.nodes.is_empty() {
            text.push_str("  }\n");
        }
        for node in &self.nodes {
            for (parent, kind) in &node.parents {
                let style = match kind {
                    EdgeKind::From => String::new(),
                    other => format!(" [style=dashed, tooltip={}]", quoted(edge_words(*other))),
                };
                text.push_str(&format!("  {} -> {}{style};\n", quoted(&self.nodes[*parent].name), quoted(&node.name)));
            }
        }
        text.push_str("}\n");
        text
    }
}

/// A quoted text, in which graphviz sees no escapes of its own.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::picture;

    #[test]
    fn the_graph_is_in_graphviz_s_language() {
        let dot = picture().dot();
        assert_eq!(dot.matches(" -> ").count(), 6, "{dot}");
        assert!(dot.contains("\n  \"tools\" -> \"app\" [style=dashed, tooltip=\"COPY --from\"];\n"), "{dot}");
        assert!(dot.contains("\n  \"app\" -> \"leaf\";\n"), "{dot}");
        assert!(dot.contains("  \"other\" [tooltip=\"images/<\\\"&'>\u{fffd}\\\\x/Dockerfile\"];\n"), "{dot}");
        assert!(dot.contains("label=\"base (local only)\""), "{dot}");
        // Where graphviz is, it reads it.
        let Some(program) = crate::system::process::which("dot", None) else {
            println!("skipped: there is no graphviz here");
            return;
        };
        let mut child = std::process::Command::new(program)
            .arg("-Tplain")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), dot.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.starts_with("node ")).count(), 6);
    }
}
