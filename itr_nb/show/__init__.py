"Contact sheets, heat maps, graphs, histograms and hover cards"
from .cards import HoverCard,save_cards
from .graph import edge_graph,edge_maps,node_bars
from .heat import alignment,heatmap,word_maps
from .histogram import similarity_histogram
from .sheet import rank_sheet
