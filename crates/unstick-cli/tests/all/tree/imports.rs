//! No crate has a circle of imports between its files, so a reader can follow the imports of a file down to an end.
//!
//! What counts is use. A file imports another if it names something that is defined there: in a `use`, in a path such as
//! `crate::output::error(..)` or `super::Frame`, or through a child that it declared, as in `render::columns()`. A parent that
//! only declares `mod x;`, or only passes a name on with `use x::Name`, uses nothing; a file that imports that name from the
//! parent imports the file that defines it. Tests in a source file (`#[cfg(test)]`) see everything, and are left out.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;

use super::home;

#[test]
fn no_crate_has_a_circle_of_imports_between_files() {
    for name in ["unstick-cli", "unstick-shake", "unstick", "unstick-capture", "unstick-wire"] {
        let circles = House::of_crate(name).circles();
        assert!(circles.is_empty(), "{name}: these files import each other:\n{}", circles.join("\n"));
    }
}

#[test]
fn a_circle_is_found_however_it_is_tied() {
    for (tie, files) in [
        ("a use", [("main", "mod a; mod b;"), ("a", "use crate::b::X;"), ("b", "use crate::a::{self, Y};")]),
        (
            "a path",
            [("main", "mod a; mod b;"), ("a", "fn f() { crate::b::g() }"), ("b", "use super::a; fn g() { a::f() }")],
        ),
        ("a child", [("main", "mod a;"), ("a", "mod b; fn f() { b::g() }"), ("a/b", "fn g() { super::f() }")]),
        (
            "an inner module",
            [("main", "mod a; mod b;"), ("a", "use crate::b::X;"), ("b", "mod m { use super::super::a::Y; }")],
        ),
    ] {
        assert_eq!(House::of(&files).circles().len(), 1, "{tie}");
    }
}

#[test]
fn what_is_no_use_ties_nothing() {
    for (what, files) in [
        (
            "a parent that passes names on",
            [("main", "mod a;"), ("a", "mod b; pub use b::X; pub struct Y;"), ("a/b", "use super::Y;")],
        ),
        (
            "its name, imported",
            [("main", "mod a; mod b;"), ("a", "mod c; pub use crate::b::X;"), ("b", "use crate::a::X;")],
        ),
        (
            "a test",
            [
                ("main", "mod a; mod b;"),
                ("a", "use crate::b::X;"),
                ("b", "#[cfg(test)] mod tests { use crate::a::Y; }"),
            ],
        ),
        (
            "a comment",
            [
                ("main", "mod a; mod b;"),
                ("a", "use crate::b::X;"),
                ("b", "// crate::a::Y\nconst T: &str = \"crate::a::Y\";"),
            ],
        ),
    ] {
        assert_eq!(House::of(&files).circles(), [""; 0], "{what}");
    }
}

/// The path of a module in its crate: `frontend`, `prompt`.
type Place = Vec<String>;

/// The modules of a crate that are files.
struct House {
    modules: BTreeMap<Place, Module>,
}

/// The contents of a file.
#[derive(Default)]
struct Module {
    uses: Vec<Use>,
    /// Paths outside `use`, and the inner module that contains them.
    paths: Vec<(Place, Vec<String>)>,
    /// Every word outside `use`.
    words: BTreeSet<String>,
    /// The names that are defined here.
    items: BTreeSet<String>,
    /// Files below it.
    children: BTreeSet<String>,
}

struct Use {
    /// The inner module that contains it.
    inside: Place,
    path: Vec<String>,
    /// Its name here; `*` for all names.
    name: String,
    public: bool,
}

impl House {
    fn of_crate(name: &str) -> Self {
        let root = home().join("crates").join(name).join("src");
        let first = if root.join("main.rs").exists() { "main.rs" } else { "lib.rs" };
        let read = |place: &Place| {
            let path = if place.is_empty() { first.to_owned() } else { place.join("/") + ".rs" };
            fs::read_to_string(root.join(&path)).unwrap_or_else(|error| panic!("{name}/src/{path}: {error}"))
        };
        Self::walk(read)
    }

    /// A crate of this workspace.
    fn of(files: &[(&str, &str)]) -> Self {
        Self::walk(|place| {
            let path = if place.is_empty() { "main".to_owned() } else { place.join("/") };
            files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned()).unwrap_or_default()
        })
    }

    fn walk(read: impl Fn(&Place) -> String) -> Self {
        let (mut modules, mut left) = (BTreeMap::new(), vec![Place::new()]);
        while let Some(place) = left.pop() {
            let module = Module::read(&without_tests(tokens(&read(&place))));
            left.extend(module.children.iter().map(|child| below(&place, child)));
            modules.insert(place, module);
        }
        Self { modules }
    }

    /// The path from the root of the crate; `None` for a path of another crate.
    fn absolute(&self, place: &Place, inside: &Place, path: &[String]) -> Option<Vec<String>> {
        let here = [place.clone(), inside.clone()].concat();
        let module = &self.modules[place];
        match path.first()?.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([here, path[1..].to_vec()].concat()),
            "super" => {
                let ups = path.iter().take_while(|word| *word == "super").count();
                let kept = here.len().checked_sub(ups)?;
                Some([here[..kept].to_vec(), path[ups..].to_vec()].concat())
            }
            child if module.children.contains(child) => Some([place.clone(), path.to_vec()].concat()),
            name => {
                let used = module.uses.iter().find(|used| used.name == name && used.path[0] != name)?;
                let found = self.absolute(place, &used.inside, &used.path)?;
                Some([found, path[1..].to_vec()].concat())
            }
        }
    }

    /// The file that defines the item of an absolute path, and whether the path names the file itself.
    fn file(&self, path: &[String], steps: usize) -> Option<(Place, bool)> {
        let mut at = Place::new();
        for (number, word) in path.iter().enumerate() {
            let next = below(&at, word);
            if self.modules.contains_key(&next) {
                at = next;
                continue;
            }
            let module = &self.modules[&at];
            let (named, rest) = (module.uses.iter().find(|used| used.name == *word), &path[number + 1..]);
            if module.items.contains(word) || steps == 0 {
                return Some((at, false));
            }
            if let Some(used) = named {
                let found = self.absolute(&at, &used.inside, &used.path)?;
                return self.file(&[found, rest.to_vec()].concat(), steps - 1);
            }
            let globs = module.uses.iter().filter(|used| used.name == "*");
            let passed = globs.filter_map(|used| self.absolute(&at, &used.inside, &used.path)).find_map(|found| {
                let (file, _) = self.file(&found, steps - 1)?;
                self.modules[&file].items.contains(word).then_some(file)
            });
            return Some((passed.unwrap_or(at), false));
        }
        Some((at, true))
    }

    /// The files that a file uses, each with the path that shows it.
    fn uses(&self, place: &Place) -> BTreeMap<Place, String> {
        const STEPS: usize = 8;
        let module = &self.modules[place];
        let mut found = BTreeMap::new();
        let mut note = |inside: &Place, path: &[String], modules_too: bool| {
            let file = self.absolute(place, inside, path).and_then(|path| self.file(&path, STEPS));
            if let Some((file, is_module)) = file
                && file != *place
                && (modules_too || !is_module)
            {
                found.entry(file).or_insert_with(|| path.join("::"));
            }
        };
        for used in &module.uses {
            let named = module.words.contains(&used.name);
            let passed_on = used.public && (used.name == "*" || !named);
            // If a `use` names a module, the paths show what is used of it.
            let in_paths = module.paths.iter().any(|(_, path)| path[0] == used.name);
            if !passed_on {
                note(&used.inside, &used.path, used.name == "*" || !in_paths);
            }
        }
        for (inside, path) in &module.paths {
            note(inside, path, false);
        }
        found
    }

    /// Each circle once, as a line of files.
    fn circles(&self) -> Vec<String> {
        let uses: BTreeMap<&Place, BTreeMap<Place, String>> =
            self.modules.keys().map(|place| (place, self.uses(place))).collect();
        let (mut told, mut seen) = (Vec::new(), BTreeSet::new());
        for start in self.modules.keys() {
            let Some(circle) = shortest(&uses, start) else { continue };
            if circle.iter().any(|place| seen.contains(*place)) {
                continue;
            }
            let mut line = name(start);
            for (from, to) in circle.iter().zip(circle.iter().skip(1).chain([&start])) {
                line += &format!(" -> {} ({})", name(to), uses[from][*to]);
            }
            seen.extend(circle);
            told.push(line);
        }
        told
    }
}

/// The shortest way from a file back to itself.
fn shortest<'a>(uses: &'a BTreeMap<&'a Place, BTreeMap<Place, String>>, start: &'a Place) -> Option<Vec<&'a Place>> {
    let mut from: BTreeMap<&Place, &Place> = BTreeMap::new();
    let mut left = VecDeque::from([start]);
    while let Some(at) = left.pop_front() {
        for next in uses[at].keys() {
            if next == start {
                let mut way = vec![at];
                while *way.last().unwrap() != start {
                    way.push(from[way.last().unwrap()]);
                }
                way.reverse();
                return Some(way);
            }
            if !from.contains_key(next) {
                from.insert(next, at);
                left.push_back(next);
            }
        }
    }
    None
}

fn below(place: &Place, child: &str) -> Place {
    [place.clone(), vec![child.to_owned()]].concat()
}

fn name(place: &Place) -> String {
    if place.is_empty() { "the root".to_owned() } else { place.join("/") + ".rs" }
}

impl Module {
    fn read(tokens: &[String]) -> Self {
        let mut module = Self::default();
        // Inner modules, and at which depth of braces each ends.
        let (mut inside, mut depth): (Vec<(String, usize)>, usize) = (Vec::new(), 0);
        let mut at = 0;
        while at < tokens.len() {
            let place: Place = inside.iter().map(|(name, _)| name.clone()).collect();
            match (tokens[at].as_str(), tokens.get(at + 1).map(String::as_str), tokens.get(at + 2).map(String::as_str))
            {
                ("{", ..) => depth += 1,
                ("}", ..) => {
                    depth = depth.saturating_sub(1);
                    inside.pop_if(|(_, outer)| *outer == depth);
                }
                ("mod", Some(name), Some(";")) => _ = module.children.insert(name.to_owned()),
                ("mod", Some(name), Some("{")) => {
                    inside.push((name.to_owned(), depth));
                    module.items.insert(name.to_owned());
                }
                ("use", ..) => {
                    let end = at + tokens[at..].iter().position(|token| token == ";").unwrap_or(tokens.len() - at);
                    let public = at > 0 && (tokens[at - 1] == "pub" || tokens[at - 1] == ")");
                    for (path, name) in paths(&tokens[at + 1..end], &[]) {
                        module.uses.push(Use { inside: place.clone(), path, name, public });
                    }
                    at = end;
                }
                ("fn" | "struct" | "enum" | "trait" | "const" | "static" | "type", Some(name), _) => {
                    module.items.insert(name.to_owned());
                }
                ("macro_rules", _, Some(name)) => _ = module.items.insert(name.to_owned()),
                (word, ..) if is_word(word) => {
                    module.words.insert(word.to_owned());
                    let mut path = vec![word.to_owned()];
                    while tokens.get(at + 1).is_some_and(|token| token == "::")
                        && tokens.get(at + 2).is_some_and(|token| is_word(token))
                    {
                        path.push(tokens[at + 2].clone());
                        at += 2;
                    }
                    if path.len() > 1 {
                        module.paths.push((place, path));
                    }
                }
                _ => {}
            }
            at += 1;
        }
        module
    }
}

/// The paths of a `use`, each with the name that it imports.
fn paths(tokens: &[String], before: &[String]) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    let mut path = before.to_vec();
    let mut at = 0;
    let mut name = None;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "," => {
                found.extend(named(std::mem::replace(&mut path, before.to_vec()), name.take()));
            }
            "{" => {
                let mut depth = 0;
                let end = tokens[at..].iter().position(|token| {
                    depth += i32::from(token == "{") - i32::from(token == "}");
                    depth == 0
                });
                let end = at + end.unwrap_or(tokens.len() - at - 1);
                found.extend(paths(&tokens[at + 1..end], &path));
                path.truncate(0);
                at = end;
            }
            "as" => {
                name = tokens.get(at + 1).cloned();
                at += 1;
            }
            "::" | "$" => {}
            word => path.push(word.to_owned()),
        }
        at += 1;
    }
    found.extend(named(path, name).filter(|(path, _)| path.len() > before.len()));
    found
}

fn named(mut path: Vec<String>, name: Option<String>) -> impl Iterator<Item = (Vec<String>, String)> {
    let last = path.last().cloned().unwrap_or_default();
    if path.len() > 1 && (last == "self" || last == "*") {
        path.pop();
    }
    let own = if last == "self" { path.last().cloned().unwrap_or_default() } else { last };
    (!path.is_empty()).then(|| (path, name.unwrap_or(own))).into_iter()
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::` and single signs; without comments, string literals and lifetimes.
fn tokens(text: &str) -> Vec<String> {
    let (mut found, letters) = (Vec::new(), text.chars().collect::<Vec<_>>());
    let is = |at: usize, sign: char| letters.get(at) == Some(&sign);
    let mut at = 0;
    while let Some(letter) = letters.get(at).copied() {
        let word = letters[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
        match letter {
            '/' if is(at + 1, '/') => at += letters[at..].iter().take_while(|c| **c != '\n').count(),
            'r' if is(at + 1, '"') || (is(at + 1, '#') && (is(at + 2, '"') || is(at + 2, '#'))) => {
                let signs = letters[at + 1..].iter().take_while(|c| **c == '#').count();
                let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', signs)).collect();
                let begin = at + 2 + signs;
                at = begin + letters[begin..].windows(end.len()).position(|part| part == end).unwrap() + end.len();
            }
            '"' => {
                at += 1;
                while !is(at, '"') {
                    at += if is(at, '\\') { 2 } else { 1 };
                }
                at += 1;
            }
            '\'' if is(at + 1, '\\') => at += 3 + letters[at + 3..].iter().take_while(|c| **c != '\'').count() + 1,
            '\'' if is(at + 2, '\'') => at += 3,
            '\'' => at += 1 + letters[at + 1..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count(),
            ':' if is(at + 1, ':') => {
                found.push("::".to_owned());
                at += 2;
            }
            _ if word > 0 => {
                found.push(letters[at..at + word].iter().collect());
                at += word;
            }
            sign => {
                if !sign.is_whitespace() {
                    found.push(sign.to_string());
                }
                at += 1;
            }
        }
    }
    found
}

/// Without the items that only tests have.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let marks: [&[&str]; 2] = [&["#", "[", "cfg", "(", "test", ")", "]"], &["#", "[", "cfg", "(", "all", "(", "test"]];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if !marks.iter().any(|mark| tokens[at..].iter().take(mark.len()).eq(mark.iter())) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0;
        while at < tokens.len() {
            let token = tokens[at].as_str();
            depth += i32::from(["{", "(", "["].contains(&token)) - i32::from(["}", ")", "]"].contains(&token));
            at += 1;
            if depth == 0 && (token == "}" || token == ";") {
                break;
            }
        }
    }
    kept
}
