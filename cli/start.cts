// Apart from bin.cts, since a Node that is too old cannot read an import().
import('./main.js');
