use std::collections::BTreeMap;
use std::fmt::Write;

use super::Picture;
use super::layers::{Layers, layers};

/// Sizes in pixels. Letters of the fixed font are 7.3 wide at 12.
const LETTER: usize = 74;
const HIGH: usize = 30;
const BESIDE: usize = 90;
const BELOW: usize = 20;
const EDGE: usize = 20;
/// Longer names are cut in the middle; the whole stands in the title.
const LONGEST: usize = 44;

/// Left, top and width of what stands in a layer.
type Boxes = BTreeMap<usize, (usize, usize, usize)>;
type Bends = BTreeMap<(usize, usize), Vec<usize>>;

/// It as an image: the same picture is the same picture, to the byte.
pub fn svg(picture: &Picture) -> String {
    let Layers { layers, bends } = layers(picture);
    let mut boxes = Boxes::new();
    let (mut x, mut high) = (EDGE, 0);
    for layer in &layers {
        let nodes = layer.iter().filter_map(|node| picture.names.get(*node));
        let shown = nodes.map(|name| short(name).chars().count());
        let wide = shown.max().unwrap_or(0) * LETTER / 10 + 20;
        for (row, node) in layer.iter().enumerate() {
            boxes.insert(*node, (x, EDGE + row * (HIGH + BELOW), wide));
        }
        high = high.max(layer.len());
        x += wide + BESIDE;
    }
    let (width, height) = (x.saturating_sub(BESIDE) + EDGE, EDGE + high * (HIGH + BELOW));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"monospace\" font-size=\"12\">\n\
         <defs><marker id=\"end\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" \
         markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#667\"/></marker></defs>\n"
    );
    lines(picture, &boxes, &bends, &mut text);
    for (node, (x, y, wide)) in &boxes {
        let Some(name) = picture.names.get(*node) else { continue };
        let (fill, line) = if *name == picture.first { ("#fff3d6", 2) } else { ("#f4f6fa", 1) };
        let _ = writeln!(
            text,
            "<g><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{HIGH}\" \
             rx=\"4\" fill=\"{fill}\" stroke=\"#334\" stroke-width=\"{line}\"/>\
             <text x=\"{}\" y=\"{}\" fill=\"#112\">{}</text></g>",
            escaped(name),
            x + 10,
            y + 19,
            escaped(&short(name)),
        );
    }
    text.push_str("</svg>\n");
    text
}

fn lines(picture: &Picture, boxes: &Boxes, bends: &Bends, text: &mut String) {
    let numbers: BTreeMap<&str, usize> =
        picture.names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    for line in &picture.lines {
        let of = |dataset: &str| numbers.get(dataset).copied();
        let (Some(from), Some(to)) = (of(&line.from), of(&line.to)) else { continue };
        let (fx, fy, wide) = boxes[&from];
        let (mut x, mut y) = (fx + wide, fy + HIGH / 2);
        let mut path = format!("M{x} {y}");
        let passed = bends.get(&(from, to)).map_or(&[][..], Vec::as_slice);
        for stop in passed.iter().chain([&to]) {
            let (sx, sy, wide) = boxes[stop];
            let (x2, y2) = (sx, sy + HIGH / 2);
            let (bend1, bend2) = (x + BESIDE / 2, x2.saturating_sub(BESIDE / 2));
            let _ = write!(path, "C{bend1} {y} {bend2} {y2} {x2} {y2}");
            if *stop != to {
                let _ = write!(path, "H{}", x2 + wide);
            }
            (x, y) = (x2 + wide, y2);
        }
        let _ = writeln!(
            text,
            "<path d=\"{path}\" fill=\"none\" stroke=\"#667\" marker-end=\"url(#end)\">\
             <title>{}</title></path>",
            escaped(&line.text),
        );
    }
}

fn short(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= LONGEST {
        return name.to_owned();
    }
    let half = (LONGEST - 1) / 2;
    let (head, tail) = (&letters[..half], &letters[letters.len() - half..]);
    head.iter().chain(['…'].iter()).chain(tail).collect()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // No XML has these.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
