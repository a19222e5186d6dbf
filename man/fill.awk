# Replaces the lines @SYNOPSIS@ and @OPTIONS@ of the second file by those sections of the first (cn-NAME --mdoc).
FNR == NR { if (/^\.Sh OPTIONS/) part = 2; else if (/^\.Sh SYNOPSIS/) part = 1; text[part] = text[part] $0 "\n"; next }
/^@SYNOPSIS@$/ { printf "%s", text[1]; next }
/^@OPTIONS@$/ { printf "%s", text[2]; next }
{ print }
