//! Draws a scene for people: why, what happened, the wrong and the right code, and the command that shows it.

use crate::scenes::{Act, Scene};

use super::words::{self, Code, Words};
use super::{tables, timeline};
use crate::canvas::{Canvas, Ink, padded};

/// Blanks before the lines below a headline.
const INDENT: &str = "    ";

/// Draws the names of all scenes, with what each shows.
pub(super) fn list(canvas: &mut Canvas) {
    canvas.wrapped(Ink::Bold, "", 2, "unstick lab: what TCP and UDP do to messages, on real sockets, now");
    canvas.end();
    for scene in Scene::ALL {
        let name = format!("  {}", padded(scene.name(), 14));
        canvas.labelled(Ink::Bold, &name, Ink::Plain, name.len(), words::of(scene).title);
    }
    canvas.end();
}

/// Says how to play one scene again: by now the list of scenes has scrolled out of sight.
pub(super) fn foot(canvas: &mut Canvas) {
    let names = Scene::ALL.map(Scene::name).join(", ");
    canvas.wrapped(Ink::Plain, "", 2, &format!("That was {names}."));
    canvas.wrapped(Ink::Plain, "", 2, "`unstick lab NAME` shows one of them again.");
}

/// Draws a whole scene.
pub(super) fn scene(canvas: &mut Canvas, scene: Scene, acts: &[Act]) {
    let words = words::of(scene);
    headline(canvas, scene, &words);
    if scene == Scene::Compare {
        tables::side_by_side(canvas, acts);
        canvas.end();
    } else {
        acts.iter().for_each(|act| draw_act(canvas, scene, &words, act));
    }
    code(canvas, "Python", &words.python);
    code(canvas, "Rust", &words.rust);
    commands(canvas, &words);
}

fn draw_act(canvas: &mut Canvas, scene: Scene, words: &Words, act: &Act) {
    canvas.wrapped(Ink::Bold, "  ", 4, &words.caption(act.name));
    match scene {
        Scene::Range if act.name == "fields" => tables::lengths(canvas, act),
        Scene::Loss => tables::arrivals(canvas, act),
        _ => timeline::draw(canvas, act),
    }
    canvas.end();
}

/// Draws the name, the title, and the reason.
fn headline(canvas: &mut Canvas, scene: Scene, words: &Words) {
    let rule = "─".repeat(canvas.columns.saturating_sub(scene.name().chars().count() + 4));
    canvas.ink(Ink::Faint, "── ").ink(Ink::Bold, scene.name()).put(" ").ink(Ink::Faint, &rule).end();
    canvas.wrapped(Ink::Bold, "", 0, words.title);
    canvas.wrapped(Ink::Plain, "", 0, words.why);
    canvas.end();
}

/// Draws the wrong and the right code in one language.
fn code(canvas: &mut Canvas, language: &str, [wrong, right]: &[Code; 2]) {
    for (code, ink, verdict) in [(wrong, Ink::Bad, "wrong"), (right, Ink::Good, "right")] {
        let label = format!("  {language}, {verdict}: ");
        canvas.labelled(ink, &label, Ink::Plain, INDENT.len(), &code.caption());
        for line in code.lines() {
            canvas.put(INDENT).put(&line).end();
        }
        canvas.end();
    }
}

/// Draws the commands to type, and what they show.
fn commands(canvas: &mut Canvas, words: &Words) {
    canvas.line(Ink::Bold, "  Try it with unstick, in two windows");
    for (number, trial) in words.trials.iter().enumerate() {
        if number > 0 {
            canvas.end();
        }
        let shown = trial.shows.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(" and ");
        canvas.put(INDENT).ink(Ink::Faint, &format!("# {}", trial.what)).end();
        for line in [trial.first, trial.second].iter().flat_map(|command| command.lines()) {
            canvas.put(INDENT).put(line).end();
        }
        canvas.put(INDENT).ink(Ink::Faint, &format!("# window {} shows {shown}", trial.window)).end();
    }
    canvas.end();
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
                let mut canvas = Canvas::new(80, false);
                scene(&mut canvas, which, &acts);
                canvas.into_text().matches("the effect did not appear").count()
            };
            let acts = if which == Scene::SlowReader { 1 } else { 2 };
            assert_eq!((draw(true), draw(false)), (0, acts), "{}", which.name());
        }
    }
}
