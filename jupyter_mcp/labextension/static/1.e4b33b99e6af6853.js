"use strict";(self.rspackChunkjupyter_mcp_rooms=self.rspackChunkjupyter_mcp_rooms||[]).push([[1],{20(o,r,e){var t=e(21),n=e.n(t),p=e(22),a=(e.n(p))()(n());a.push([o.id,`.jp-mcp-Panel {
  display: flex;
  flex-direction: column;
  overflow: auto;
  padding: 8px;
  color: var(--jp-ui-font-color1);
  background: var(--jp-layout-color1);
  font-size: var(--jp-ui-font-size1);
}

.jp-mcp-Status {
  padding: 4px 0 8px;
  font-weight: 600;
}

.jp-mcp-Heading {
  margin: 12px 0 4px;
  font-size: var(--jp-ui-font-size1);
  font-weight: 600;
}

.jp-mcp-Controls {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 4px;
  padding: 3px 0;
}

.jp-mcp-Controls .jp-mcp-Name {
  flex: 1 1 100%;
  overflow: hidden;
  text-overflow: ellipsis;
  color: var(--jp-ui-font-color1);
}

.jp-mcp-Controls .jp-mcp-Button.jp-mod-styled {
  padding: 0 6px;
  font-size: var(--jp-ui-font-size0);
}

.jp-mcp-Button.jp-mod-styled {
  height: 24px;
  line-height: 22px;
  padding: 0 8px;
  letter-spacing: normal;
  border: 1px solid var(--jp-border-color1);
  color: var(--jp-ui-font-color1);
  background: var(--jp-layout-color2);
}

.jp-mcp-Button:hover {
  background: var(--jp-layout-color3);
}

.jp-mcp-Button:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: 1px;
}

.jp-mcp-Button[aria-pressed='true'] {
  color: var(--jp-ui-inverse-font-color1);
  background: var(--jp-brand-color1);
}

.jp-mcp-List {
  margin: 0;
  padding: 0;
  list-style: none;
}

.jp-mcp-Rule,
.jp-mcp-Call {
  padding: 3px 0;
  border-bottom: 1px solid var(--jp-border-color2);
  overflow-wrap: anywhere;
}

.jp-mcp-Time,
.jp-mcp-None,
.jp-mcp-Note {
  color: var(--jp-ui-font-color2);
}

.jp-mcp-Time {
  margin-right: 6px;
}

.jp-mcp-Button.jp-mcp-Link {
  display: block;
  height: auto;
  padding: 0;
  line-height: 1.4;
  white-space: normal;
  overflow-wrap: anywhere;
  border: 0;
  background: none;
  color: var(--jp-content-link-color);
  text-align: left;
}

.jp-mcp-Actions {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 4px;
  padding: 3px 0;
}

.jp-mcp-Button[aria-expanded='true'] {
  background: var(--jp-layout-color3);
}

.jp-mcp-Question {
  margin: 0 0 8px;
  padding: 8px;
  border: 1px solid var(--jp-brand-color1);
  border-left-width: 4px;
  background: var(--jp-layout-color2);
  overflow-wrap: anywhere;
}

.jp-mcp-Change {
  padding: 2px 0;
}

.jp-mcp-Diff {
  margin: 2px 0;
  padding: 4px 0;
  max-height: 20em;
  overflow: auto;
  color: var(--jp-content-font-color1);
  background: var(--jp-layout-color0);
  border: 1px solid var(--jp-border-color2);
  font-family: var(--jp-code-font-family);
  font-size: var(--jp-code-font-size);
}

.jp-mcp-Line {
  display: block;
  min-width: max-content;
  padding: 0 6px;
  border-left: 3px solid transparent;
}

.jp-mcp-Line.jp-mod-added {
  background: color-mix(in srgb, var(--jp-success-color1) 18%, transparent);
  border-left-color: var(--jp-success-color1);
}

.jp-mcp-Line.jp-mod-removed {
  background: color-mix(in srgb, var(--jp-error-color1) 18%, transparent);
  border-left-color: var(--jp-error-color1);
}

.jp-mcp-Warning {
  color: var(--jp-error-color1);
}

.jp-mcp-Button.jp-mcp-StatusItem {
  height: 100%;
  padding: 0 6px;
  border: 0;
  background: none;
  font-size: var(--jp-ui-font-size1);
}

.jp-mcp-StatusItem:hover {
  background: var(--jp-layout-color3);
}

.jp-Cell > .jp-mcp-Mark {
  position: absolute;
  top: 6px;
  bottom: 6px;
  left: 12px;
  width: 4px;
  border-radius: 2px;
  background: var(--jp-warn-color1);
}

.jp-mcp-Connect {
  min-width: 420px;
  max-width: 640px;
}

.jp-mcp-Row {
  display: grid;
  grid-template-columns: 1fr auto;
  gap: 4px 8px;
  padding: 4px 0;
}

.jp-mcp-Row .jp-mcp-Client {
  grid-column: 1 / -1;
  appearance: auto; /* with its arrow */
  font-size: var(--jp-ui-font-size1);
  color: var(--jp-ui-font-color1);
  background: var(--jp-layout-color1);
}

.jp-mcp-Row .jp-mcp-Name {
  grid-column: 1 / -1;
  font-weight: 600;
}

.jp-mcp-Text {
  margin: 0;
  padding: 4px 6px;
  max-height: 16em;
  overflow: auto;
  color: var(--jp-content-font-color1);
  background: var(--jp-layout-color2);
  font-family: var(--jp-code-font-family);
  font-size: var(--jp-code-font-size);
  white-space: pre-wrap;
  overflow-wrap: anywhere;
}

.jp-Cell > .jp-mcp-Badge {
  position: absolute;
  z-index: 1;
  top: 22px;
  left: 20px;
  padding: 0 4px;
  border: 1px solid var(--jp-warn-color1);
  border-radius: 3px;
  color: var(--jp-ui-font-color1);
  background: var(--jp-layout-color1);
  font-family: var(--jp-ui-font-family);
  font-size: var(--jp-ui-font-size0);
  line-height: 13px;
  white-space: nowrap;
}

.jp-Cell > .jp-mcp-Badge.jp-mod-waits {
  border-style: dashed;
  border-color: var(--jp-border-color0);
}
`,""]),e.d(r,{},{A:a})},22(o){o.exports=function(o){var r=[];return r.toString=function(){return this.map(function(r){var e="",t=void 0!==r[5];return r[4]&&(e+="@supports (".concat(r[4],") {")),r[2]&&(e+="@media ".concat(r[2]," {")),t&&(e+="@layer".concat(r[5].length>0?" ".concat(r[5]):""," {")),e+=o(r),t&&(e+="}"),r[2]&&(e+="}"),r[4]&&(e+="}"),e}).join("")},r.i=function(o,e,t,n,p){"string"==typeof o&&(o=[[null,o,void 0]]);var a={};if(t)for(var i=0;i<this.length;i++){var c=this[i][0];null!=c&&(a[c]=!0)}for(var l=0;l<o.length;l++){var s=[].concat(o[l]);t&&a[s[0]]||(void 0!==p&&(void 0===s[5]||(s[1]="@layer".concat(s[5].length>0?" ".concat(s[5]):""," {").concat(s[1],"}")),s[5]=p),e&&(s[2]&&(s[1]="@media ".concat(s[2]," {").concat(s[1],"}")),s[2]=e),n&&(s[4]?(s[1]="@supports (".concat(s[4],") {").concat(s[1],"}"),s[4]=n):s[4]="".concat(n)),r.push(s))}},r}},21(o){o.exports=function(o){return o[1]}},14(o){var r=[];function e(o){for(var e=-1,t=0;t<r.length;t++)if(r[t].identifier===o){e=t;break}return e}function t(o,t){for(var n={},p=[],a=0;a<o.length;a++){var i=o[a],c=t.base?i[0]+t.base:i[0],l=n[c]||0,s="".concat(c," ").concat(l);n[c]=l+1;var d=e(s),u={css:i[1],media:i[2],sourceMap:i[3],supports:i[4],layer:i[5]};if(-1!==d)r[d].references++,r[d].updater(u);else{var m=function(o,r){var e=r.domAPI(r);return e.update(o),function(r){r?(r.css!==o.css||r.media!==o.media||r.sourceMap!==o.sourceMap||r.supports!==o.supports||r.layer!==o.layer)&&e.update(o=r):e.remove()}}(u,t);t.byIndex=a,r.splice(a,0,{identifier:s,updater:m,references:1})}p.push(s)}return p}o.exports=function(o,n){var p=t(o=o||[],n=n||{});return function(o){o=o||[];for(var a=0;a<p.length;a++){var i=e(p[a]);r[i].references--}for(var c=t(o,n),l=0;l<p.length;l++){var s=e(p[l]);0===r[s].references&&(r[s].updater(),r.splice(s,1))}p=c}}},16(o){var r={};o.exports=function(o,e){var t=function(o){if(void 0===r[o]){var e=document.querySelector(o);if(window.HTMLIFrameElement&&e instanceof window.HTMLIFrameElement)try{e=e.contentDocument.head}catch(o){e=null}r[o]=e}return r[o]}(o);if(!t)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");t.appendChild(e)}},18(o){o.exports=function(o){var r=document.createElement("style");return o.setAttributes(r,o.attributes),o.insert(r,o.options),r}},17(o,r,e){o.exports=function(o){var r=e.nc;r&&o.setAttribute("nonce",r)}},15(o){o.exports=function(o){if("u"<typeof document)return{update:function(){},remove:function(){}};var r=o.insertStyleElement(o);return{update:function(e){var t,n,p;t="",e.supports&&(t+="@supports (".concat(e.supports,") {")),e.media&&(t+="@media ".concat(e.media," {")),(n=void 0!==e.layer)&&(t+="@layer".concat(e.layer.length>0?" ".concat(e.layer):""," {")),t+=e.css,n&&(t+="}"),e.media&&(t+="}"),e.supports&&(t+="}"),(p=e.sourceMap)&&"u">typeof btoa&&(t+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(p))))," */")),o.styleTagTransform(t,r,o.options)},remove:function(){var o;null===(o=r).parentNode||o.parentNode.removeChild(o)}}}},19(o){o.exports=function(o,r){if(r.styleSheet)r.styleSheet.cssText=o;else{for(;r.firstChild;)r.removeChild(r.firstChild);r.appendChild(document.createTextNode(o))}}},13(o,r,e){var t=e(14),n=e.n(t),p=e(15),a=e.n(p),i=e(16),c=e.n(i),l=e(17),s=e.n(l),d=e(18),u=e.n(d),m=e(19),f=e.n(m),v=e(20),j={};j.styleTagTransform=f(),j.setAttributes=s(),j.insert=c().bind(null,"head"),j.domAPI=a(),j.insertStyleElement=u(),n()(v.A,j),v.A&&v.A.locals&&v.A.locals}}]);