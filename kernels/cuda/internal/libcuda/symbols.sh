#!/usr/bin/env bash
# Writes symbols.h: the functions of the driver that the compiled packages refer to. Run it when cuext calls a new one.
set -euo pipefail
cd "$(dirname "$0")"
eval "$(../../headers.sh)"
{
	echo '// Functions of the driver, all but cuInit. Written by symbols.sh.'
	go list -export -tags cuda -f '{{.Export}}' gorgonia.org/cu ../cuext | xargs nm 2>/dev/null |
		awk '$1 == "U" {asked[$2]} $2 == "T" {own[$3]}
			END {for (s in asked) if (s ~ /^cu[A-Z]/ && s != "cuInit" && !(s in own)) print "SYMBOL(" s ")"}' | LC_ALL=C sort
} >symbols.h.new
mv symbols.h.new symbols.h
