#!/bin/sh
# Records docs/live-table.svg: the live table of a real run on the built-in exchange, as tmux
# shows it.   docs/record_live_table.sh [FILE.svg]
# Trades in a data directory of its own that is removed afterwards. Needs tmux.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
target=${1:-$root/docs/live-table.svg}
case $target in /*) ;; *) target=$PWD/$target ;; esac
if ! command -v tmux >/dev/null; then
    echo "docs/record_live_table.sh: expected tmux on PATH, found none; install it" >&2
    exit 1
fi
cd "$root"
script/bootstrap --runtime

work=$(mktemp -d)
chmod 755 "$work" # the embedded servers have a user of their own when root runs this
terminal() { tmux -L "alpha-recording-$$" "$@"; }
finish() {
    terminal kill-server 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT INT TERM

# Only warnings above the table: what is told otherwise scrolls by as in any log.
terminal new-session -d -x 150 -y 12 -s table \
    "env -u NO_COLOR TERM=xterm-256color ALPHA__DATA_DIR='$work/data' ALPHA__LOG__LEVEL=warning \
        .venv/bin/python -m alpha run --config config.toml --for 180s 2>'$work/log'"
terminal set-option -g remain-on-exit on

# A picture worth keeping shows an open position and trades that have ended.
seconds=0
until terminal capture-pane -p -t table >"$work/plain" &&
    awk -F '│' '$4 ~ /long|short/ && $5 ~ /[1-9]/ { found = 1 } END { exit !found }' \
        "$work/plain"; do
    seconds=$((seconds + 1))
    if [ $seconds -gt 170 ]; then
        echo "docs/record_live_table.sh: no trades within $seconds s; the terminal showed:" >&2
        cat "$work/plain" "$work/log" >&2
        exit 1
    fi
    sleep 1
done
terminal capture-pane -e -p -t table >"$work/colours"
terminal send-keys -t table C-c
for _ in 1 2 3 4 5 6 7 8 9 10; do
    terminal list-panes -t table -F '#{pane_dead}' | grep -q 1 && break
    sleep 1
done

.venv/bin/python - "$work/colours" "$target" <<'PYTHON'
import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

captured = Path(sys.argv[1]).read_text(encoding="utf-8").rstrip("\n")
console = Console(record=True, width=150, file=io.StringIO(), legacy_windows=False)
console.print(Text.from_ansi(captured))
picture = console.export_svg(title="alpha run", theme=MONOKAI, unique_id="live-table")
# Nothing is fetched by who looks at it: the reader's own monospaced font will do.
picture = re.sub(r"<!-- Generated.*?-->\s*", "", picture)
picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
Path(sys.argv[2]).write_text(picture, encoding="utf-8")
PYTHON
echo "$target"
