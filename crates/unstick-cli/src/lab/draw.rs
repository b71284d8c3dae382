//! A scene as people see it: why, what happened, the code that does it wrong and right, and the command that shows it.

use unstick::service::lab::{Act, Scene};

use super::paper::{Ink, Paper, padded};
use super::words::{self, Code, Words};
use super::{tables, timeline};

/// Blanks in front of what belongs to a headline.
const INDENT: &str = "    ";

/// The names of all scenes, with what each shows.
pub(super) fn list(paper: &mut Paper) {
    paper.wrapped(Ink::Bold, "", 2, "unstick lab: what TCP and UDP do to messages, on real sockets, now");
    paper.end();
    for scene in Scene::ALL {
        let name = format!("  {}", padded(scene.name(), 14));
        paper.labelled(Ink::Bold, &name, Ink::Plain, name.len(), words::of(scene).title);
    }
    paper.end();
}

/// How to see one of them again, where the list of them has long been scrolled away.
pub(super) fn foot(paper: &mut Paper) {
    let names = Scene::ALL.map(Scene::name).join(", ");
    paper.wrapped(Ink::Plain, "", 2, &format!("That was {names}."));
    paper.wrapped(Ink::Plain, "", 2, "`unstick lab NAME` shows one of them again.");
}

/// A whole scene.
pub(super) fn scene(paper: &mut Paper, scene: Scene, acts: &[Act]) {
    let words = words::of(scene);
    headline(paper, scene, &words);
    if scene == Scene::Compare {
        tables::side_by_side(paper, acts);
        paper.end();
    } else {
        acts.iter().for_each(|act| draw_act(paper, scene, &words, act));
    }
    code(paper, "Python", &words.python);
    code(paper, "Rust", &words.rust);
    commands(paper, &words);
}

fn draw_act(paper: &mut Paper, scene: Scene, words: &Words, act: &Act) {
    paper.wrapped(Ink::Bold, "  ", 4, &words.caption(act.name));
    match scene {
        Scene::Range if act.name == "fields" => tables::lengths(paper, act),
        Scene::Loss => tables::arrivals(paper, act),
        _ => timeline::draw(paper, act),
    }
    paper.end();
}

/// The name, the title, and why.
fn headline(paper: &mut Paper, scene: Scene, words: &Words) {
    let rule = "─".repeat(paper.columns.saturating_sub(scene.name().chars().count() + 4));
    paper.ink(Ink::Faint, "── ").ink(Ink::Bold, scene.name()).put(" ").ink(Ink::Faint, &rule).end();
    paper.wrapped(Ink::Bold, "", 0, words.title);
    paper.wrapped(Ink::Plain, "", 0, words.why);
    paper.end();
}

/// What is wrong and what is right in one language.
fn code(paper: &mut Paper, language: &str, [wrong, right]: &[Code; 2]) {
    for (code, ink, verdict) in [(wrong, Ink::Bad, "wrong"), (right, Ink::Good, "right")] {
        let label = format!("  {language}, {verdict}: ");
        paper.labelled(ink, &label, Ink::Plain, INDENT.len(), &code.caption());
        for line in code.lines() {
            paper.put(INDENT).put(&line).end();
        }
        paper.end();
    }
}

/// What to type, and what it shows.
fn commands(paper: &mut Paper, words: &Words) {
    paper.line(Ink::Bold, "  Try it with unstick, in two windows");
    for (number, trial) in words.trials.iter().enumerate() {
        if number > 0 {
            paper.end();
        }
        let shown = trial.shows.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(" and ");
        paper.put(INDENT).ink(Ink::Faint, &format!("# {}", trial.what)).end();
        for line in [trial.first, trial.second].iter().flat_map(|command| command.lines()) {
            paper.put(INDENT).put(line).end();
        }
        paper.put(INDENT).ink(Ink::Faint, &format!("# window {} shows {shown}", trial.window)).end();
    }
    paper.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_that_did_not_appear_is_said_to_have_not() {
        for which in [Scene::SlowReader, Scene::Range, Scene::Loss, Scene::Compare] {
            let draw = |shown| {
                let mut acts = which.play().unwrap();
                acts.iter_mut().for_each(|act| act.shown = shown);
                let mut paper = Paper::new(80, false);
                scene(&mut paper, which, &acts);
                paper.into_text().matches("the effect did not appear").count()
            };
            let acts = if which == Scene::SlowReader { 1 } else { 2 };
            assert_eq!((draw(true), draw(false)), (0, acts), "{}", which.name());
        }
    }
}
