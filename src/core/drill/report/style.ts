/** The report's style: screens light and dark, wide and narrow, and A4. Colours are Okabe-Ito and viridis. */
export const style = `
:root{--ink:#1b1f24;--soft:#57606a;--paper:#fff;--panel:#f6f7f9;--line:#d5dae0;--link:#0a5a99;
--pass:#00734f;--fail:#b03a00;--inconclusive:#8a6100;--not-run:#57606a;
--intime:#bfe3f5;--slow:#e69f00;--bad:#d55e00;--hatch:#7d2f00;--outage:#9c3200;
--fault:#d55e0017;--heal:#0072b214;--fault-solid:#f6d9c6;--heal-solid:#cfe3f1;
--detect:#e69f00;--decide:#b3568d;--act:#0072b2;--recovered:#009e73;
--h1:#b5de2b;--h2:#6ece58;--h3:#35b779;--h4:#1f9e89;--h5:#31688e;--h6:#443983;--h7:#440154}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#a2abb5;--paper:#14171b;--panel:#1d2127;--line:#373e47;--link:#7cc0f2;
--pass:#3ccf9b;--fail:#ff8a52;--inconclusive:#f2bb3d;--not-run:#a2abb5;
--intime:#28536a;--slow:#e69f00;--bad:#d55e00;--hatch:#ffc9a6;--outage:#ff8a52;
--fault:#ff7a3022;--heal:#56b4e922;--fault-solid:#5a3420;--heal-solid:#23425a;
--detect:#e69f00;--decide:#dd92c0;--act:#56b4e9;--recovered:#2fc796;
--h1:#443983;--h2:#31688e;--h3:#21918c;--h4:#35b779;--h5:#90d743;--h6:#c8e020;--h7:#fde725}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",Helvetica,Arial,sans-serif}
main{max-width:1060px;margin:0 auto;padding:28px 24px 64px}
.patterns{position:absolute}
h1{font-size:30px;line-height:1.2;margin:0 0 10px;letter-spacing:-.01em}
h1 .when{font-size:16px;font-weight:400;color:var(--soft);white-space:nowrap;letter-spacing:0}
h2{font-size:20px;line-height:1.3;margin:40px 0 12px;padding-top:12px;border-top:1px solid var(--line)}
h3{font-size:17px;line-height:1.4;margin:28px 0 10px}
h3 .note{font-weight:400}
p{margin:0 0 12px}
a{color:var(--link)}
code{font:.88em/1.4 ui-monospace,"Cascadia Mono",Menlo,"Liberation Mono",monospace;overflow-wrap:anywhere}
.kicker{margin:0 0 2px;color:var(--soft);font-size:13px;font-weight:600}
.conclusion{font-size:18px;line-height:1.45;max-width:58em;margin-bottom:18px}
.note{color:var(--soft);font-size:13px}
th .note,td .note{display:block;font-weight:400;line-height:1.35}
ul,ol{margin:0 0 12px;padding-left:20px}
td ul{margin:0;padding-left:16px}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:12px;list-style:none;padding:0;margin:0}
.tiles>li{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:12px 14px}
.tiles .label{display:block;color:var(--soft);font-size:13px}
.tiles .figure{display:block;font-size:24px;line-height:1.25;font-variant-numeric:tabular-nums;white-space:nowrap}
.counts{list-style:none;padding:0;margin:4px 0 0;display:flex;flex-wrap:wrap;gap:2px 14px}
.counts b{font-size:17px}
.badge{display:inline-flex;align-items:center;vertical-align:-1px;gap:5px;font-weight:650;white-space:nowrap;font-size:14px}
.badge .shape{fill:currentColor;flex:none}
.shape .in{fill:none;stroke:var(--paper);stroke-width:1.9;stroke-linecap:round}
.shape .hollow{fill:none;stroke:currentColor;stroke-width:1.5;stroke-dasharray:2.6 2}
.shape .dash{stroke:currentColor;stroke-width:1.7;stroke-linecap:round}
.pass{color:var(--pass)}.fail{color:var(--fail)}.inconclusive{color:var(--inconclusive)}.not-run{color:var(--not-run)}
.history .badge{margin-right:10px;font-size:12px;font-weight:500}
.history .shape{width:13px;height:13px}
.scroll{overflow-x:auto;margin:0 0 14px}
.scroll:focus-visible{outline:2px solid var(--link);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:14px}
caption{text-align:left;font-weight:650;padding:8px 0 6px}
th,td{text-align:left;vertical-align:top;padding:8px 14px 8px 0;border-bottom:1px solid var(--line)}
thead th{font-size:13px;font-weight:600;color:var(--soft);vertical-align:bottom;padding-bottom:5px;border-bottom:1px solid var(--soft)}
tbody th{font-weight:600}
.compact th,.compact td{padding:3px 14px 3px 0}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.plot-cell svg{display:block;margin-top:1px}
.verdicts th[scope=row]{width:27%;min-width:150px}
.verdicts thead .number{white-space:normal}
dl{margin:0 0 14px;display:grid;gap:5px}
dl>div{display:grid;grid-template-columns:128px 1fr;gap:0 14px}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
.reasons{font-weight:600}
.steps{list-style:none;padding:0;display:grid;grid-template-columns:repeat(auto-fit,minmax(160px,1fr));gap:8px}
.steps li{border-left:3px solid var(--line);padding-left:9px}
.steps .note{display:block;overflow-wrap:anywhere;line-height:1.35}
.fault{margin-bottom:36px}
figure{margin:0 0 14px}
figcaption{font-size:13px;color:var(--soft);display:flex;flex-wrap:wrap;gap:2px 16px}
.key{display:inline-flex;align-items:center;gap:5px;white-space:nowrap}
.swatch{width:13px;height:13px;border:1px solid var(--line);display:inline-block}
.swatch.intime{background:var(--intime)}.swatch.slow{background:var(--slow)}
.swatch.bad{background:repeating-linear-gradient(45deg,var(--bad) 0 3px,var(--hatch) 3px 4.5px)}
.fault-swatch{background:var(--fault-solid)}.heal-swatch{background:var(--heal-solid)}
details{margin:0 0 12px}
summary{cursor:pointer;color:var(--link);padding:4px 0}
svg{font-family:inherit}
svg text{fill:var(--ink);font-size:12px}
svg .small{font-size:11px;fill:var(--soft)}
svg .strong{fill:var(--ink);font-weight:650}
svg .halo{paint-order:stroke;stroke:var(--paper);stroke-width:3px}
.picture{display:block;width:100%;min-width:760px;height:auto}
.dots text{font-size:11px;fill:var(--soft)}
.rail{stroke:var(--line);stroke-width:1;fill:none}
.dot{fill:var(--act);fill-opacity:.75;stroke:var(--paper);stroke-width:.8}
.dot.over{fill:none;stroke:var(--fail);stroke-width:2.4;stroke-opacity:1;fill-opacity:1}
.objective{stroke:var(--ink);stroke-width:2.2}
.envelope.a{fill:var(--slow);fill-opacity:.45}.envelope.b{fill:var(--act);fill-opacity:.35}
.band-fault{fill:var(--fault)}.band-heal{fill:var(--heal)}
.moment{stroke:var(--soft);stroke-width:1;stroke-dasharray:2 3;fill:none}
.moment.inject{stroke:var(--fail);stroke-dasharray:none}
.tick,.axis{stroke:var(--soft);stroke-width:1;fill:none}
.grid{stroke:var(--line);stroke-width:.7;fill:none}
.limit{stroke:var(--ink);stroke-width:1;stroke-dasharray:5 3;fill:none}
.plot{fill:none;stroke:var(--line)}
.phase.before,.phase.after{fill:var(--line)}.phase.fault{fill:var(--fault-solid)}.phase.healing{fill:var(--heal-solid)}
.outage{fill:var(--outage)}.outage.gap{fill:var(--slow)}
.cut{stroke:var(--fail);stroke-width:2.4;fill:none}
.served.intime{fill:var(--intime)}.served.slow{fill:var(--slow)}.served.bad{fill:url(#hatch)}
.hatch-back{fill:var(--bad)}.hatch-line{fill:var(--hatch)}
.mark{stroke:var(--paper);stroke-width:.8}
.mark.detect{fill:var(--detect)}.mark.decide{fill:var(--decide)}.mark.act{fill:var(--act)}.mark.recovered{fill:var(--recovered)}
.h1{fill:var(--h1)}.h2{fill:var(--h2)}.h3{fill:var(--h3)}.h4{fill:var(--h4)}.h5{fill:var(--h5)}.h6{fill:var(--h6)}.h7{fill:var(--h7)}
@media screen and (max-width:760px){main{padding:18px 14px 48px}h1{font-size:24px}h1 .when{display:block}.conclusion{font-size:16px}
.tiles{grid-template-columns:1fr 1fr}.tiles .figure{font-size:19px}dl>div{grid-template-columns:1fr}dd{margin-bottom:4px}table{min-width:620px}table.compact{min-width:480px}}
@page{size:A4;margin:14mm 13mm}
@media print{body{font-size:9.5pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}main{max-width:none;padding:0}
h1{font-size:20pt}h2{font-size:14pt}.conclusion{font-size:12pt}table{font-size:8.5pt}.note,figcaption,thead th{font-size:8pt}
.scroll{overflow:visible}.picture{min-width:0}.fault{break-before:page}#faults>.fault:first-of-type{break-before:auto}
#coverage,#limits,#method,#faults{break-before:page}#coverage>h2,#limits>h2,#method>h2,#faults>h2{border:0;margin-top:0}
h2,h3,caption{break-after:avoid}figure,tr,.tiles,dl>div,.compact{break-inside:avoid}details .compact{break-inside:auto}thead{display:table-header-group}
th,td{padding:4px 9px 4px 0}.tiles .figure{font-size:14pt}summary{color:var(--soft)}a{color:inherit;text-decoration:none}
.dots{width:150px;height:auto}.plot-cell svg{max-width:150px}}
`;
